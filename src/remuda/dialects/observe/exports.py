"""The journal as a file: CSV and JSON as the document has them, and Parquet. Sent as it is read, whatever its size."""

import csv
import io
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from remuda.core.faults import NotOffered, Unavailable
from remuda.dialects.kit.access import Rule
from remuda.dialects.observe.logs import USER, input_shown, line_shown, metadata_of
from remuda.dialects.observe.parts import Add
from remuda.dialects.observe.wanted import QUERY, Canonical, wanted_in
from remuda.insight.export import Export
from remuda.insight.parquet import Kind, ParquetFile, is_there
from remuda.store.journal_reading import JournalEntry

RULES: Final[tuple[Rule, ...]] = ()

PREVIEW_CHARS: Final = 100
CSV_COLUMNS: Final = (
    "timestamp",
    "model_name",
    "latency_ms",
    "tokens_per_second",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "is_streaming",
    "performance_score",
    "temperature",
    "max_tokens",
    "error_message",
    "input_text_preview",
    "output_text_preview",
)
JSON_FIELDS: Final = (
    "id",
    "timestamp",
    "model_name",
    "latency_ms",
    "tokens_per_second",
    "time_to_first_token_ms",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "is_streaming",
    "performance_score",
    "temperature",
    "max_tokens",
    "error_message",
    "request_metadata",
    "input_text",
    "output_text",
)
PARQUET_COLUMNS: Final = {
    "id": Kind.WHOLE,
    "timestamp": Kind.MOMENT,
    "request_id": Kind.TEXT,
    "dialect": Kind.TEXT,
    "operation": Kind.TEXT,
    "model_name": Kind.TEXT,
    "replica": Kind.TEXT,
    "key": Kind.TEXT,
    "user": Kind.TEXT,
    "status": Kind.WHOLE,
    "error_message": Kind.TEXT,
    "attempts": Kind.WHOLE,
    "latency_ms": Kind.NUMBER,
    "queue_wait_ms": Kind.NUMBER,
    "time_to_first_token_ms": Kind.NUMBER,
    "tokens_per_second": Kind.NUMBER,
    "prompt_tokens": Kind.WHOLE,
    "completion_tokens": Kind.WHOLE,
    "total_tokens": Kind.WHOLE,
    "cached_tokens": Kind.WHOLE,
    "tokens_estimated": Kind.FLAG,
    "is_streaming": Kind.FLAG,
    "is_truncated": Kind.FLAG,
    "finish_reason": Kind.TEXT,
    "performance_score": Kind.NUMBER,
    "temperature": Kind.NUMBER,
    "max_tokens": Kind.WHOLE,
    "cost": Kind.NUMBER,
    "input_text": Kind.TEXT,
    "output_text": Kind.TEXT,
}
GROUP_ROWS: Final = 5000
GROUP_CHARS: Final = 16 * 2**20
"""How much is held before it is written, of Parquet alone."""

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A cell that begins so is a formula to programs that show tables, and may do harm there."""

Pieces = AsyncIterator[bytes]


class ExportRoutes:
    """What answers them."""

    def __init__(
        self,
        export: Export | None = None,
        wall: Callable[[], float] = lambda: 0.0,
        canonical: Canonical = str,
        *,
        has_parquet: Callable[[], bool] = is_there,
    ) -> None:
        """Without an export, to be listed and described only."""
        self._has_parquet = has_parquet
        self._given = export
        self._wall = wall
        self._canonical = canonical

    def add_to(self, add: Add) -> None:
        """All of them."""
        for kind, handler, media_type in (
            ("csv", self._csv, "text/csv"),
            ("json", self._json, "application/json"),
            ("parquet", self._parquet, "application/vnd.apache.parquet"),
        ):
            content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
            summary = f"The journal as {kind.upper() if kind != 'parquet' else 'Parquet'}"
            add("GET", f"/api/export/{kind}", handler, summary, None, content=content, query=QUERY)

    async def _csv(self, request: Request) -> Response:
        # One more tells whether there is more, and a role may stand before what is shown.
        entries = self._entries(request, chars=len(USER) + PREVIEW_CHARS + 1)
        return await self._sent(csv_pieces(entries), "csv", "text/csv; charset=utf-8")

    async def _json(self, request: Request) -> Response:
        return await self._sent(json_pieces(self._entries(request)), "json", "application/json")

    async def _parquet(self, request: Request) -> Response:
        if not self._has_parquet():
            raise NotOffered("Parquet needs a library that is not installed here: pip install 'remuda[parquet]'")
        pieces = parquet_pieces(self._entries(request))
        return await self._sent(pieces, "parquet", "application/vnd.apache.parquet")

    def _entries(self, request: Request, *, chars: int | None = None) -> AsyncIterator[list[JournalEntry]]:
        if self._given is None:
            raise Unavailable
        return self._given.entries(wanted_in(request, self._wall(), self._canonical), chars=chars)

    async def _sent(self, pieces: Pieces, suffix: str, media_type: str) -> Response:
        """The file. What goes wrong before its first piece is said as usual; later the connection breaks off."""
        name = datetime.fromtimestamp(self._wall(), UTC).strftime(f"llm_lens_export_%Y%m%d_%H%M%S.{suffix}")
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        first = await anext(pieces)
        return StreamingResponse(_after(first, pieces), media_type=media_type, headers=headers)


async def _after(first: bytes, pieces: Pieces) -> Pieces:
    yield first
    async for piece in pieces:
        yield piece


async def csv_pieces(entries: AsyncIterator[list[JournalEntry]]) -> Pieces:
    """A line that names the columns, and one for each entry."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(CSV_COLUMNS)
    async for some in entries:
        for entry in some:
            shown = row_shown(entry)
            shown["input_text_preview"] = preview(input_shown(entry.record.prompt_text))
            shown["output_text_preview"] = preview(entry.record.answer_text)
            writer.writerow([_cell(shown[name]) for name in CSV_COLUMNS])
        yield buffer.getvalue().encode("utf-8", "replace")
        buffer.seek(0)
        buffer.truncate()
    if buffer.tell():
        yield buffer.getvalue().encode()


async def json_pieces(entries: AsyncIterator[list[JournalEntry]]) -> Pieces:
    """A list with an object for each entry, one on a line."""
    before = b"[\n"
    async for some in entries:
        yield before + b",\n".join(msgspec.json.encode(_object(entry)) for entry in some)
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


async def parquet_pieces(entries: AsyncIterator[list[JournalEntry]]) -> Pieces:
    """A file of groups of rows: readers want large ones."""
    file = ParquetFile(PARQUET_COLUMNS)
    rows: list[dict[str, Any]] = []
    chars = 0
    async for some in entries:
        for entry in some:
            prompt, answer = input_shown(entry.record.prompt_text), entry.record.answer_text
            texts = {"input_text": prompt, "output_text": answer}
            rows.append({**line_shown(entry), **texts, "timestamp": entry.record.started_at})
            chars += len(prompt or "") + len(answer or "")
        if len(rows) >= GROUP_ROWS or chars >= GROUP_CHARS:
            yield await file.add(rows)
            rows, chars = [], 0
    if rows:
        yield await file.add(rows)
    yield await file.end()


def row_shown(entry: JournalEntry) -> dict[str, Any]:
    """The fields of an entry by the names that exports have for them."""
    shown = line_shown(entry)
    shown["timestamp"] = shown["start_time"]
    return shown


def preview(text: str | None) -> str | None:
    """The beginning of a text."""
    return text if text is None or len(text) <= PREVIEW_CHARS else text[:PREVIEW_CHARS] + "..."


def _object(entry: JournalEntry) -> dict[str, Any]:
    record = entry.record
    shown = row_shown(entry)
    shown["request_metadata"] = metadata_of(record)
    shown["input_text"], shown["output_text"] = input_shown(record.prompt_text), record.answer_text
    return {name: shown[name] for name in JSON_FIELDS}


def _cell(value: Any) -> Any:
    return "'" + value if isinstance(value, str) and value.startswith(FORMULA) else value
