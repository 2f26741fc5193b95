"""What one transaction adds to the journal, and how it gets there exactly once."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from remuda.core.record import RequestRecord
from remuda.store.database import ROWS_PER_INSERT, Store, insert_columns, insert_rows
from remuda.store.keys import write_last_used
from remuda.store.ledger import Ledger
from remuda.store.schema import counters, journal, journal_content, journal_writers

MAX_COUNT = 2**31 - 1
MAX_SIZE = 2**63 - 1

_COUNTS = frozenset({"status", "attempts"})
_CONTENT_FROM = RequestRecord._fields.index("prompt_text")
"""The fields before this one are the journal's columns; what comes from here on stands in tables of its own."""
_STARTED_AT, _KEY_ID = map(RequestRecord._fields.index, ("started_at", "key_id"))

# Built once: a batch is written four times a second, and building a statement costs as much as a small one's work.
_LAST_ID = select(counters.c.value).where(counters.c.name == "journal").with_for_update()
_RAISE_LAST_ID = update(counters).where(counters.c.name == "journal").values(value=bindparam("last_id"))
_MARK = select(journal_writers.c.last_batch).where(journal_writers.c.writer == bindparam("wanted"))
_RAISE_MARK = (
    update(journal_writers)
    .where(journal_writers.c.writer == bindparam("wanted"))
    .values(last_batch=bindparam("done"), committed_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one writing process, in the order in which they were appended."""

    writer: str
    """Which process: an id that is never used again."""
    number: int
    """Counts up within the writer. Batches of one writer are committed in this order and no other."""
    records: Sequence[RequestRecord]


async def write_batches(store: Store, batches: Sequence[Batch], now: float, *, is_durable: bool) -> int:
    """Add `batches`, all of one writer and in order, in one transaction; return how many records were new.

    A batch that is in the journal already is passed over, so offering one again is always safe. `is_durable` says that
    all is on disk when this returns; else as `Store.write_journal` promises. Raises StoreUnavailable or StoreRefused,
    and then nothing was added, or (where the answer to the commit was lost) perhaps all.
    """
    return await store.write_journal(
        lambda connection: _write(connection, batches, now, store.ledger), is_durable=is_durable
    )


def add_records(connection: Connection, records: Sequence[RequestRecord], ledger: Ledger) -> None:
    """Add records in the transaction of `connection`, for what has to be recorded together with something else. Who
    adds to the journal meanwhile waits for the end of the transaction: do it last."""
    if records:
        last_id: int = connection.execute(_LAST_ID).scalar_one()
        used = _insert_records(connection, list(map(_cleaned_record, records)), ledger, first_id=last_id + 1)
        connection.execute(_RAISE_LAST_ID, {"last_id": last_id + len(records)})
        write_last_used(connection, used)


def cleaned(batch: Batch) -> Batch:
    """The batch with every value made such that both databases take it.

    A client can name a model with a character that Postgres stores in no text, an engine can report a count beyond 64
    bits: such a record must not keep the others of its batch out of the journal. Only done to a batch that was refused.
    """
    return replace(batch, records=[_cleaned_record(record) for record in batch.records])


def _write(connection: Connection, batches: Sequence[Batch], now: float, ledger: Ledger) -> int:
    # The row lock on the counter lets one writer at a time through: what follows needs no locks of its own.
    last_id: int = connection.execute(_LAST_ID).scalar_one()
    writer = batches[0].writer
    mark = connection.execute(_MARK, {"wanted": writer}).scalar()
    done: int = -1 if mark is None else mark
    new: list[Sequence[RequestRecord]] = []
    for batch in batches:
        if batch.number > done:
            new.append(batch.records)
            done = batch.number
    if not new:
        return 0
    records = new[0] if len(new) == 1 else list(chain.from_iterable(new))
    count = len(records)
    used = _insert_records(connection, records, ledger, first_id=last_id + 1)
    connection.execute(_RAISE_LAST_ID, {"last_id": last_id + count})
    if mark is None:
        connection.execute(insert(journal_writers).values(writer=writer, last_batch=done, committed_at=now))
    else:
        connection.execute(_RAISE_MARK, {"wanted": writer, "done": done, "now": now})
    write_last_used(connection, used)
    return count


def _insert_records(
    connection: Connection, records: Sequence[RequestRecord], ledger: Ledger, *, first_id: int
) -> dict[str, float]:
    """Add the records and what content they carry; return the latest start of a request per key id."""
    used: dict[str, float] = {}
    content: list[tuple[Any, ...]] = []
    scores: list[float] = []

    def chunks() -> Iterator[Sequence[Sequence[Any]]]:
        # All that a record is wanted for happens here, some hundreds at a time: a batch is larger than the processor's
        # caches, and each further time it is gone through its values come from far away.
        for start in range(0, len(records), ROWS_PER_INSERT):
            part = records[start : start + ROWS_PER_INSERT]
            ids = range(first_id + start, first_id + start + len(part))
            columns = list(zip(*part, strict=True))
            scored = list(map(ledger.score, part))
            scores.extend(scored)
            _note_used(used, columns[_KEY_ID], columns[_STARTED_AT])
            texts = columns[_CONTENT_FROM:]
            if any(text.count(None) < len(part) for text in texts[:2]):
                rows = zip(ids, columns[_STARTED_AT], *texts, strict=True)
                content.extend(
                    (*row, sum(map(_size_of, row[2:]))) for row in rows if row[2] is not None or row[3] is not None
                )
            yield (ids, *columns[:_CONTENT_FROM], scored)

    insert_columns(connection, journal, chunks())
    if content:
        insert_rows(connection, journal_content, content)
    for hook in ledger.hooks:
        hook(connection, records, scores, first_id)
    return used


def _note_used(used: dict[str, float], key_ids: Sequence[str], moments: Sequence[float]) -> None:
    """Raise the latest moment of each key."""
    if len(set(key_ids)) == 1:
        key_ids, moments = key_ids[:1], (max(moments),)
    for key_id, moment in zip(key_ids, moments, strict=True):
        if key_id and used.get(key_id, -math.inf) < moment:
            used[key_id] = moment


def _size_of(text: str | None) -> int:
    return 0 if text is None else len(text.encode("utf-8", "replace"))


def cleaned_text(text: str) -> str:
    """`text` as both databases take it: NUL is in no Postgres text, and half a surrogate pair has no UTF-8."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _cleaned_record(record: RequestRecord) -> RequestRecord:
    return RequestRecord._make(map(_cleaned_value, RequestRecord._fields, record))


def _cleaned_value(field: str, value: object) -> object:
    if isinstance(value, str):
        return cleaned_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else 0.0
    if isinstance(value, int) and not isinstance(value, bool):
        bound = MAX_COUNT if field in _COUNTS else MAX_SIZE
        return max(-bound, min(value, bound))
    return value
