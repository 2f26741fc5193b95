"""The journal as a log that people read."""

from remuda.store.database import Store
from remuda.store.journal_reading import JournalEntry, JournalFilter, JournalPage, journal_entry, journal_page


class Log:
    """Entries of the journal, with what was asked and said where that was kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def entry(self, id_: int, key_id: str | None) -> JournalEntry | None:
        """The entry, of the key where one is named; None where there is no such. Raises StoreError."""
        found = await journal_entry(self._store, id_)
        return found if found is not None and key_id in (None, found.record.key_id) else None

    async def page(self, wanted: JournalFilter, limit: int, before_id: int | None) -> JournalPage:
        """Entries without their text, newest first; `before_id`: where the page before ended. Raises StoreError."""
        return await journal_page(self._store, wanted, before_id=before_id, limit=limit)
