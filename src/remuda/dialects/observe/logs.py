"""The journal, entry by entry."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from fastapi import Request, Response

from remuda.core.faults import Unavailable, UnknownEntry
from remuda.core.moments import iso_time
from remuda.core.record import RequestRecord
from remuda.core.score import tokens_per_second
from remuda.dialects.kit.access import Rule
from remuda.dialects.observe.parts import Add, QueryField, answered, id_in, number_in, sees_all, whole
from remuda.dialects.observe.wanted import QUERY, Canonical, wanted_in
from remuda.insight.log import Log
from remuda.store.journal_reading import JournalEntry

RULES: Final[tuple[Rule, ...]] = ()


USER: Final = "user: "
_NEXT: Final = re.compile(r"\n\n(?:system|developer|user|assistant|tool): ")
"""How the next message begins in what is kept of a conversation."""
NANO: Final = 10**9
"""Money is kept in these parts of its unit."""
MAX_LIMIT: Final = 1000
DEFAULT_LIMIT: Final = 50


PAGED: Final = (
    *QUERY,
    QueryField("limit", "How many at most; 50 by default.", "integer"),
    QueryField("cursor", "The `next_cursor` of the page before."),
)


class LogLine(msgspec.Struct, kw_only=True):
    """One request, without what was said. Times in milliseconds, moments in UTC."""

    id: int
    model_name: str
    start_time: str
    end_time: str
    latency_ms: float
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    tokens_per_second: float
    time_to_first_token_ms: float | None
    performance_score: float
    is_streaming: bool
    temperature: float | None
    max_tokens: int | None
    error_message: str | None
    # Beyond the document.
    request_id: str
    dialect: str
    operation: str
    replica: str
    key: str
    user: str
    status: int
    attempts: int
    queue_wait_ms: float
    cached_tokens: int
    tokens_estimated: bool
    is_truncated: bool
    finish_reason: str
    cost: float


class LogEntry(LogLine, kw_only=True):
    """One request, with what was kept of its text."""

    request_metadata: dict[str, Any]
    input_text: str | None
    output_text: str | None


class LogPage(msgspec.Struct, omit_defaults=True):
    """Requests, newest first."""

    logs: list[LogLine]
    next_cursor: str | None
    """`cursor` of the next page; null where this is the last."""
    searched_to: str | None = None
    """Told where the search took long and the page ends before it is full, perhaps without anything: what began before
    this moment, about, has not been looked at. The next page goes on there."""


SCHEMAS: Final = (LogEntry, LogPage)


class LogRoutes:
    """What answers them."""

    def __init__(
        self, log: Log | None = None, wall: Callable[[], float] = lambda: 0.0, canonical: Canonical = str
    ) -> None:
        """Without a log, to be listed and described only."""
        self._given = log
        self._wall = wall
        self._canonical = canonical

    def add_to(self, add: Add) -> None:
        """All of them."""
        add("GET", "/api/logs", self._page, "Requests of the journal, newest first", LogPage, query=PAGED)
        add("GET", "/api/logs/{log_id}", self._entry, "One request of the journal", LogEntry)

    @property
    def _log(self) -> Log:
        if self._given is None:
            raise Unavailable
        return self._given

    async def _page(self, request: Request) -> Response:
        wanted = wanted_in(request, self._wall(), self._canonical)
        limit = number_in(request, "limit", DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
        cursor = request.query_params.get("cursor")
        before_id = None if cursor is None else whole(cursor, "cursor")
        page = await self._log.page(wanted, limit, before_id)
        next_cursor = None if page.next_cursor is None else str(page.next_cursor)
        searched_to = None if page.searched_to is None else iso_time(page.searched_to)
        return answered(LogPage([LogLine(**line_shown(entry)) for entry in page.entries], next_cursor, searched_to))

    async def _entry(self, request: Request) -> Response:
        id_ = id_in(request, "log_id")
        caller = request.state.caller
        entry = None if id_ is None else await self._log.entry(id_, None if sees_all(caller) else caller.key_id)
        if entry is None:
            raise UnknownEntry("Log entry not found")
        return answered(entry_shown(entry))


def entry_shown(entry: JournalEntry) -> LogEntry:
    """An entry as the document has it."""
    record = entry.record
    return LogEntry(
        **line_shown(entry),
        request_metadata=metadata_of(record),
        input_text=input_shown(record.prompt_text),
        output_text=record.answer_text,
    )


def line_shown(entry: JournalEntry) -> dict[str, Any]:
    """The fields of a line of the log."""
    record = entry.record
    return {
        "id": entry.id,
        "model_name": record.model,
        "start_time": iso_time(record.started_at),
        "end_time": iso_time(record.started_at + record.duration_s),
        "latency_ms": milliseconds(record.duration_s),
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "total_tokens": record.prompt_tokens + record.completion_tokens,
        "tokens_per_second": round(tokens_per_second(record), 3),
        "time_to_first_token_ms": None if record.ttft_s is None else milliseconds(record.ttft_s),
        "performance_score": entry.score,
        "is_streaming": record.is_streamed,
        "temperature": record.temperature,
        "max_tokens": record.max_tokens,
        "error_message": record.fault or None,
        "request_id": record.id,
        "dialect": record.dialect,
        "operation": record.operation,
        "replica": record.replica,
        "key": record.key_id,
        "user": record.user_id,
        "status": record.status,
        "attempts": record.attempts,
        "queue_wait_ms": milliseconds(record.queue_wait_s),
        "cached_tokens": record.cached_tokens,
        "tokens_estimated": record.tokens_estimated,
        "is_truncated": record.is_truncated,
        "finish_reason": record.finish_reason,
        "cost": record.cost_nano / NANO,
    }


def milliseconds(seconds: float) -> float:
    """As the document shows times."""
    return round(seconds * 1000, 3)


def input_shown(text: str | None) -> str | None:
    """What was asked, as the document shows it: a user's single message without the role before it."""
    if text is None or not text.startswith(USER) or _NEXT.search(text) is not None:
        return text
    return text[len(USER) :]


def metadata_of(record: RequestRecord) -> dict[str, Any]:
    """How it was asked: what was kept of the request's fields; else those that the journal knows of any."""
    if record.parameters is not None:
        fields: dict[str, Any] = msgspec.json.decode(record.parameters)
        return fields
    known = {"temperature": record.temperature, "max_tokens": record.max_tokens}
    return {name: value for name, value in known.items() if value is not None}
