"""The journal as a log that people read."""

from collections.abc import Callable
from typing import Final

from remuda.store.database import Store
from remuda.store.journal_reading import (
    JournalEntry,
    JournalFilter,
    JournalPage,
    Reach,
    journal_entry,
    journal_page,
    journal_reach,
    moment_of,
)

SEARCH_S: Final = 0.15
"""How long is looked for the entries of a page; what has been found by then is the page."""
STEP_S: Final = 0.03
"""How long one look is to take: the ids that are gone through in it are as many as that allowed before."""
STEP_IDS: Final = 10_000
"""Of the first look."""
GROWTH: Final = 4
"""From one look to the next, at most: where entries that fit begin to be rare, one look takes so much longer."""


class Log:
    """Entries of the journal, with what was asked and said where that was kept."""

    def __init__(self, store: Store, monotonic: Callable[[], float], step_ids: int = STEP_IDS) -> None:
        """`step_ids`: how many are gone through in the first look for entries."""
        self._store = store
        self._monotonic = monotonic
        self._step_ids = step_ids

    async def entry(self, id_: int, key_id: str | None) -> JournalEntry | None:
        """The entry, of the key where one is named; None where there is no such. Raises StoreError."""
        found = await journal_entry(self._store, id_)
        return found if found is not None and key_id in (None, found.record.key_id) else None

    async def page(self, wanted: JournalFilter, limit: int, before_id: int | None) -> JournalPage:
        """Entries without their text, newest first; `before_id`: where the page before ended. Raises StoreError.

        Where few entries fit, a large journal is gone through in looks at some thousands of ids each, and the page ends
        after a while with what was found: perhaps with nothing, and a cursor all the same.
        """
        if not wanted.is_picky:
            return await journal_page(self._store, wanted, before_id=before_id, limit=limit)
        reach = await journal_reach(self._store, wanted.since)
        return await self._search(wanted, limit, reach if before_id is None else reach.before(before_id))

    async def _search(self, wanted: JournalFilter, limit: int, reach: Reach) -> JournalPage:
        began = looked = self._monotonic()
        entries: list[JournalEntry] = []
        top, step = reach.end, self._step_ids
        while top > reach.first:
            bottom = max(reach.first, top - step)
            page = await journal_page(self._store, wanted, before_id=top, from_id=bottom, limit=limit - len(entries))
            entries += page.entries
            if page.next_cursor is not None:
                return JournalPage(entries, page.next_cursor)
            top, now = bottom, self._monotonic()
            is_late = now - began >= SEARCH_S
            if top > reach.first and (is_late or len(entries) >= limit):
                searched_to = await moment_of(self._store, top) if is_late else None
                return JournalPage(entries, top, searched_to)
            step = max(1, int(step * min(GROWTH, STEP_S / max(now - looked, 1e-6))))
            looked = now
        return JournalPage(entries, None)
