"""The journal, entry by entry."""

from typing import Any, Final

import msgspec
from fastapi import Request, Response

from remuda.core.faults import Unavailable, UnknownEntry
from remuda.core.moments import iso_time
from remuda.core.record import RequestRecord
from remuda.core.score import tokens_per_second
from remuda.dialects.kit.access import Rule
from remuda.dialects.observe.parts import Add, answered, id_in, sees_all
from remuda.insight.log import Log
from remuda.store.journal_reading import JournalEntry

RULES: Final[tuple[Rule, ...]] = ()


class LogEntry(msgspec.Struct, kw_only=True):
    """One request, as the document has it. Times in milliseconds, moments in UTC."""

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
    request_metadata: dict[str, Any]
    input_text: str | None
    output_text: str | None
    error_message: str | None


SCHEMAS: Final = (LogEntry,)


class LogRoutes:
    """What answers them."""

    def __init__(self, log: Log | None = None) -> None:
        """Without a log, to be listed and described only."""
        self._given = log

    def add_to(self, add: Add) -> None:
        """All of them."""
        add("GET", "/api/logs/{log_id}", self._entry, "One request of the journal", LogEntry)

    @property
    def _log(self) -> Log:
        if self._given is None:
            raise Unavailable
        return self._given

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
        id=entry.id,
        model_name=record.model,
        start_time=iso_time(record.started_at),
        end_time=iso_time(record.started_at + record.duration_s),
        latency_ms=round(record.duration_s * 1000, 3),
        prompt_tokens=record.prompt_tokens,
        completion_tokens=record.completion_tokens,
        total_tokens=record.prompt_tokens + record.completion_tokens,
        tokens_per_second=round(tokens_per_second(record), 3),
        time_to_first_token_ms=None if record.ttft_s is None else round(record.ttft_s * 1000, 3),
        performance_score=entry.score,
        is_streaming=record.is_streamed,
        temperature=record.temperature,
        max_tokens=record.max_tokens,
        request_metadata=metadata_of(record),
        input_text=record.prompt_text,
        output_text=record.answer_text,
        error_message=record.fault or None,
    )


def metadata_of(record: RequestRecord) -> dict[str, Any]:
    """How it was asked: what was kept of the request's fields; else those that the journal knows of any."""
    if record.parameters is not None:
        fields: dict[str, Any] = msgspec.json.decode(record.parameters)
        return fields
    known = {"temperature": record.temperature, "max_tokens": record.max_tokens}
    return {name: value for name, value in known.items() if value is not None}
