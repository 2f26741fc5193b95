"""Reading the journal, and letting go of what is old."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, delete, func, select

from remuda.core.record import RequestRecord
from remuda.store.database import Store
from remuda.store.schema import journal, journal_content, journal_writers

MAX_PAGE = 1000
PRUNE_STEP = 5000
"""Rows removed in one transaction: short enough that the writer of the journal hardly waits."""
WRITER_MEMORY_S = 90 * 86_400.0
"""How long a writer that has ended is remembered: as long as a spool file of its may still turn up."""

_FIELDS = [column for column in journal.columns if column.name not in ("id", "score")]
_ELSEWHERE = (None,) * (len(RequestRecord._fields) - len(_FIELDS))
"""Stands for what is not in the journal's own table: prompt, answer, parameters."""


@dataclass(frozen=True, slots=True)
class JournalFilter:
    """Which entries are wanted; what is None does not matter."""

    since: float | None = None
    """Started at this moment or later, wall clock."""
    until: float | None = None
    """Started before this moment."""
    model: str | None = None
    key_id: str | None = None
    status_class: int | None = None
    """First digit of the status: 2 for 200 to 299."""
    request_id: str | None = None
    """There is no index for it, which every request would have to pay for: all of a large journal is gone through."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as conditions on the journal."""
        wanted: list[ColumnElement[bool]] = []
        if self.since is not None:
            wanted.append(journal.c.started_at >= self.since)
        if self.until is not None:
            wanted.append(journal.c.started_at < self.until)
        if self.model is not None:
            wanted.append(journal.c.model == self.model)
        if self.key_id is not None:
            wanted.append(journal.c.key_id == self.key_id)
        if self.status_class is not None:
            wanted.append(journal.c.status.between(self.status_class * 100, self.status_class * 100 + 99))
        if self.request_id is not None:
            wanted.append(journal.c.request_id == self.request_id)
        return wanted


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A record in the journal."""

    id: int
    """Counts up in the order of commits, without gaps but for what was pruned; never used twice."""
    record: RequestRecord
    score: float = 0.0
    """How well it went, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Entries, newest first."""

    entries: list[JournalEntry]
    next_cursor: int | None
    """Hand it in as `before_id` for the next page; None where this was the last."""


async def journal_page(
    store: Store, wanted: JournalFilter, *, before_id: int | None = None, limit: int = 50
) -> JournalPage:
    """At most `limit` (and at most 1,000) entries that `wanted` lets through, newest first, without their text.

    Pages are stable while records are added: a cursor is an id, and new ones come before the first page.
    """
    limit = max(1, min(limit, MAX_PAGE))
    query = (
        select(journal.c.id, journal.c.score, *_FIELDS)
        .where(*wanted.conditions())
        .order_by(journal.c.id.desc())
        .limit(limit + 1)
    )
    if before_id is not None:
        query = query.where(journal.c.id < before_id)
    rows = await store.read(lambda connection: connection.execute(query).all())
    entries = [JournalEntry(row[0], RequestRecord._make((*row[2:], *_ELSEWHERE)), row[1]) for row in rows[:limit]]
    return JournalPage(entries, entries[-1].id if len(rows) > limit else None)


async def journal_entry(store: Store, entry_id: int) -> JournalEntry | None:
    """One entry with the text that was captured; None where there is none of that id."""
    content = journal_content.c
    query = (
        select(
            journal.c.id,
            journal.c.score,
            *_FIELDS,
            content.prompt_text,
            content.answer_text,
            content.parameters,
        )
        .outerjoin_from(journal, journal_content, content.journal_id == journal.c.id)
        .where(journal.c.id == entry_id)
    )
    row = await store.read(lambda connection: connection.execute(query).one_or_none())
    return None if row is None else JournalEntry(row[0], RequestRecord._make(row[2:]), row[1])


async def prune_journal(store: Store, *, before: float | None = None, keep: int | None = None, now: float) -> int:
    """Remove entries that started before `before`, and all but the newest `keep`, their text with them; return how
    many.

    Done in steps of 5,000 in transactions of their own, so that it never holds up the writer for long; safe to cut off.
    """
    removed = 0
    if before is not None:
        too_old = select(journal.c.id).where(journal.c.started_at < before).order_by(journal.c.started_at)
        removed += await _delete_in_steps(store, journal, journal.c.id, too_old)
    if keep is not None:
        last = select(journal.c.id).order_by(journal.c.id.desc()).offset(max(0, keep)).limit(1)
        bound = await store.read(lambda connection: connection.execute(last).scalar())
        if bound is not None:
            too_many = select(journal.c.id).where(journal.c.id <= bound).order_by(journal.c.id)
            removed += await _delete_in_steps(store, journal, journal.c.id, too_many)
    forgotten = delete(journal_writers).where(journal_writers.c.committed_at < now - WRITER_MEMORY_S)
    await store.write(lambda connection: connection.execute(forgotten).rowcount)
    return removed


async def prune_content(store: Store, *, before: float) -> int:
    """Remove the text, not the entries, of requests that started before `before`; return of how many."""
    too_old = (
        select(journal_content.c.journal_id)
        .where(journal_content.c.started_at < before)
        .order_by(journal_content.c.started_at)
    )
    return await _delete_in_steps(store, journal_content, journal_content.c.journal_id, too_old)


async def journal_size(store: Store) -> int:
    """How many entries the journal holds."""
    counting = select(func.count()).select_from(journal)
    return await store.read(lambda connection: int(connection.execute(counting).scalar_one()))


async def _delete_in_steps(store: Store, table: Table, id_column: Column[Any], ids: Select[tuple[int]]) -> int:
    step = delete(table).where(id_column.in_(ids.limit(PRUNE_STEP).scalar_subquery()))
    removed = 0
    while True:
        done = await store.write(lambda connection: connection.execute(step).rowcount)
        removed += done
        if done < PRUNE_STEP:
            return removed
