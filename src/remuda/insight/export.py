"""The journal, from one end to the other, in memory that does not grow with it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Final

from remuda.store.database import Store
from remuda.store.journal_reading import JournalEntry, JournalFilter, journal_page, journal_texts, text_sizes

PAGE: Final = 250
"""Entries that are read at once, and written: for a millisecond or two nobody else is served."""
TEXT_BYTES: Final = 4 * 2**20
"""Text that is read at once; that of a single entry may be more."""


class Export:
    """Reads all entries that a filter lets through."""

    def __init__(self, store: Store, *, page: int = PAGE, text_bytes: int = TEXT_BYTES) -> None:
        self._store = store
        self._page = page
        self._text_bytes = text_bytes

    async def entries(self, wanted: JournalFilter, *, chars: int | None = None) -> AsyncIterator[list[JournalEntry]]:
        """Some at a time, newest first, with what was kept of their text, or its first `chars` characters.

        What is added meanwhile does not come; what is pruned meanwhile may be missing. Raises StoreError.
        """
        cursor: int | None = None
        while True:
            page = await journal_page(self._store, wanted, before_id=cursor, limit=self._page)
            sizes: dict[int, int] = {}
            if chars is None and page.entries:
                sizes = await text_sizes(self._store, [entry.id for entry in page.entries])
            for part in self._parts(page.entries, sizes):
                texts = await journal_texts(self._store, [entry.id for entry in part], chars=chars)
                yield [_with_text(entry, texts.get(entry.id)) for entry in part]
            cursor = page.next_cursor
            if cursor is None:
                return

    def _parts(self, entries: Sequence[JournalEntry], sizes: dict[int, int]) -> Iterator[list[JournalEntry]]:
        """The entries in pieces whose text may be held at once."""
        part: list[JournalEntry] = []
        held = 0
        for entry in entries:
            size = sizes.get(entry.id, 0)
            if part and held + size > self._text_bytes:
                yield part
                part, held = [], 0
            part.append(entry)
            held += size
        if part:
            yield part


def _with_text(entry: JournalEntry, texts: tuple[str | None, str | None, str | None] | None) -> JournalEntry:
    if texts is None:
        return entry
    prompt_text, answer_text, parameters = texts
    record = entry.record._replace(prompt_text=prompt_text, answer_text=answer_text, parameters=parameters)
    return replace(entry, record=record)
