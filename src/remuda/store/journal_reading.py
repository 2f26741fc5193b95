"""Reading the journal, and letting go of what is old."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, delete, func, literal_column, not_, or_, select

from remuda.core.record import RequestRecord
from remuda.core.score import FAILED_FROM
from remuda.store.database import Store
from remuda.store.journal_text import with_text
from remuda.store.schema import journal, journal_content, journal_writers

MAX_PAGE = 1000
EARLIEST = 1000
EARLIER = 10_000
"""How many ids before the first of the earliest entries of a time are taken to be of that time too: those of requests
that began later and were recorded sooner."""
PRUNE_STEP = 5000
"""Rows removed in one transaction: short enough that the writer of the journal hardly waits."""
PRUNE_TEXTS = 200
"""The same of text, which has to be taken out of the index for searching, word by word."""
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
    replica: str | None = None
    key_id: str | None = None
    user_id: str | None = None
    status: int | None = None
    status_class: int | None = None
    """First digit of the status: 2 for 200 to 299."""
    has_failed: bool | None = None
    """Whether it ended otherwise than well: see `core.score.has_failed`."""
    request_id: str | None = None
    """There is no index for it, nor for replicas and statuses, which every request would have to pay for."""
    terms: Sequence[str] = ()
    """Words and phrases that occur in what was kept of its text, all of them."""

    @property
    def is_picky(self) -> bool:
        """Whether it may let few entries of a long time through, and there are no terms, which have an index of their
        own."""
        picking = (self.model, self.replica, self.key_id, self.user_id, self.status, self.status_class)
        return not self.terms and any(each is not None for each in (*picking, self.has_failed, self.request_id))

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as conditions on the journal, but for its terms."""
        wanted: list[ColumnElement[bool]] = []
        if self.since is not None:
            wanted.append(journal.c.started_at >= self.since)
        if self.until is not None:
            wanted.append(journal.c.started_at < self.until)
        names = ("model", "replica", "key_id", "user_id", "status", "request_id")
        wanted += [journal.c[name] == value for name in names if (value := getattr(self, name)) is not None]
        if self.user_id:
            wanted.append(journal.c.user_id != literal_column("''"))  # its index holds no others, and is used only so
        if self.status_class is not None:
            wanted.append(journal.c.status.between(self.status_class * 100, self.status_class * 100 + 99))
        if self.has_failed is not None:
            has_failed = or_(journal.c.fault != "", journal.c.status >= FAILED_FROM)
            wanted.append(has_failed if self.has_failed else not_(has_failed))
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
    searched_to: float | None = None
    """Where the search for entries was left off before the page was full: about when those began that come next."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Ids among which entries are looked for."""

    first: int
    end: int
    """The one after the last."""

    def before(self, id_: int) -> "Reach":
        """Those of them before this one."""
        return Reach(self.first, min(self.end, id_))


async def journal_page(
    store: Store,
    wanted: JournalFilter,
    *,
    before_id: int | None = None,
    from_id: int | None = None,
    limit: int = 50,
) -> JournalPage:
    """At most `limit` (and at most 1,000) entries that `wanted` lets through, newest first, without their text;
    only such with ids from `from_id` on, where that is told.

    Pages are stable while records are added: a cursor is an id, and new ones come before the first page.
    """
    limit = max(1, min(limit, MAX_PAGE))
    query = _page_query(store, wanted, before_id).limit(limit + 1)
    if from_id is not None:
        query = query.where(journal.c.id >= from_id)
    rows = await store.read(lambda connection: connection.execute(query).all())
    entries = [JournalEntry(row[0], RequestRecord._make((*row[2:], *_ELSEWHERE)), row[1]) for row in rows[:limit]]
    return JournalPage(entries, entries[-1].id if len(rows) > limit else None)


async def journal_reach(store: Store, since: float | None, *, earlier: int = EARLIER) -> Reach:
    """Where entries are that started at `since` or later, or any. Found by those that started first from then on: of
    so many, one was recorded in time, and so none of the others is recorded long before it: more than `earlier` ids."""
    first = select(func.min(journal.c.id))
    if since is not None:
        earliest = select(journal.c.id).where(journal.c.started_at >= since).order_by(journal.c.started_at)
        first = select(func.min(earliest.limit(EARLIEST).subquery().c.id))
    last = select(func.max(journal.c.id))

    def look(connection: Connection) -> Reach:
        found, newest = connection.execute(first).scalar(), connection.execute(last).scalar()
        if found is None or newest is None:
            return Reach(0, 0)
        return Reach(max(0, found - earlier) if since is not None else found, newest + 1)

    return await store.read(look)


async def moment_of(store: Store, before_id: int) -> float | None:
    """When the newest entry before this id began; None where there is none."""
    query = select(journal.c.started_at).where(journal.c.id < before_id).order_by(journal.c.id.desc()).limit(1)
    return await store.read(lambda connection: connection.execute(query).scalar())


def _page_query(store: Store, wanted: JournalFilter, before_id: int | None) -> Select[Any]:
    query: Select[Any] = select(journal.c.id, journal.c.score, *_FIELDS).where(*wanted.conditions())
    id_column: ColumnElement[int] = journal.c.id
    if wanted.terms:
        query, id_column = with_text(query, wanted.terms, is_sqlite=store.is_sqlite)
    query = query.order_by(id_column.desc())
    return query if before_id is None else query.where(id_column < before_id)


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


async def text_sizes(store: Store, ids: Sequence[int]) -> dict[int, int]:
    """How many bytes of text were kept of those of the entries of which any was."""
    content = journal_content.c
    query = select(content.journal_id, content.size_bytes).where(content.journal_id.in_(ids))
    rows = await store.read(lambda connection: connection.execute(query).all())
    return {row[0]: row[1] for row in rows}


async def journal_texts(
    store: Store, ids: Sequence[int], *, chars: int | None = None
) -> dict[int, tuple[str | None, str | None, str | None]]:
    """Prompt, answer and parameters of those of the entries of which they were kept; of the first two at most their
    first `chars` characters."""
    content = journal_content.c
    texts = [content.prompt_text, content.answer_text]
    cut = texts if chars is None else [func.substr(text, 1, chars) for text in texts]
    query = select(content.journal_id, *cut, content.parameters).where(content.journal_id.in_(ids))
    rows = await store.read(lambda connection: connection.execute(query).all())
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


async def prune_journal(
    store: Store, *, before: float | None = None, keep: int | None = None, now: float, step: int = PRUNE_STEP
) -> int:
    """Remove entries that started before `before`, and all but the newest `keep`, their text with them; return how
    many.

    Done in transactions of their own, each of `step` entries, so that it never holds up the writer for long; safe to
    cut off.
    """
    removed = 0
    if before is not None:
        await prune_content(store, before=before)  # in small steps, instead of with its entries in large ones
        too_old = select(journal.c.id).where(journal.c.started_at < before).order_by(journal.c.started_at)
        removed += await _delete_in_steps(store, journal, journal.c.id, too_old, step)
    if keep is not None:
        last = select(journal.c.id).order_by(journal.c.id.desc()).offset(max(0, keep)).limit(1)
        bound = await store.read(lambda connection: connection.execute(last).scalar())
        if bound is not None:
            too_many = select(journal.c.id).where(journal.c.id <= bound).order_by(journal.c.id)
            removed += await _delete_in_steps(store, journal, journal.c.id, too_many, step)
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
    return await _delete_in_steps(store, journal_content, journal_content.c.journal_id, too_old, PRUNE_TEXTS)


async def prune_content_beyond(store: Store, max_bytes: int) -> int:
    """Remove the oldest text, not the entries, until what is left comes to at most `max_bytes`; return of how many."""
    content = journal_content.c
    running = select(
        content.journal_id, func.sum(content.size_bytes).over(order_by=content.journal_id.desc()).label("total")
    ).subquery()
    newest = select(func.max(running.c.journal_id)).where(running.c.total > max_bytes)
    bound = await store.read(lambda connection: connection.execute(newest).scalar())
    if bound is None:
        return 0
    too_many = select(content.journal_id).where(content.journal_id <= bound).order_by(content.journal_id)
    return await _delete_in_steps(store, journal_content, content.journal_id, too_many, PRUNE_TEXTS)


async def journal_size(store: Store) -> int:
    """How many entries the journal holds."""
    counting = select(func.count()).select_from(journal)
    return await store.read(lambda connection: int(connection.execute(counting).scalar_one()))


async def _delete_in_steps(
    store: Store, table: Table, id_column: Column[Any], ids: Select[tuple[int]], rows: int
) -> int:
    step = delete(table).where(id_column.in_(ids.limit(rows).scalar_subquery()))
    removed = 0
    while True:
        done = await store.write(lambda connection: connection.execute(step).rowcount)
        removed += done
        if done < rows:
            return removed
