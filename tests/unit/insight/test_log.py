"""The log: whose entries are shown to whom, and how long is looked for them."""

from collections.abc import AsyncIterator, Callable
from itertools import count

import pytest

from remuda.insight.log import Log
from remuda.store import Store, open_store
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.journal_reading import JournalFilter, JournalPage
from tests.contract.store.samples import NOON, a_record

RARE = JournalFilter(status=503)


def at_once() -> float:
    """Time stands still: each look takes none."""
    return 0.0


def slowly() -> Callable[[], float]:
    """Time passes: each look takes a tenth of a second."""
    ticks = count()
    return lambda: next(ticks) / 10


@pytest.fixture
async def store(tmp_path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    yield opened
    await opened.close()


@pytest.fixture
async def rare(store: Store) -> list[int]:
    """Ids of the entries that fit `RARE`, newest first, among a hundred."""
    records = [a_record(number, status=503 if number % 30 == 0 else 200) for number in range(100)]
    await write_batches(store, [Batch("w", 1, records)], NOON, is_durable=True)
    return [91, 61, 31, 1]


def ids(page: JournalPage) -> list[int]:
    return [entry.id for entry in page.entries]


async def test_an_entry_is_shown_to_its_key_and_to_who_may_see_all(store):
    await write_batches(store, [Batch("w", 1, [a_record(key_id="mine")])], NOON, is_durable=True)
    log = Log(store, at_once)
    assert (await log.entry(1, None)).record.key_id == "mine"
    assert await log.entry(1, "mine") is not None
    assert await log.entry(1, "others") is None
    assert await log.entry(2, None) is None


@pytest.mark.parametrize("step_ids", [1, 7, 30, 1000])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 50])
async def test_pages_of_rare_entries_are_full_and_miss_none(store, rare, step_ids, limit):
    log, found, before = Log(store, at_once, step_ids), [], None
    while True:
        page = await log.page(RARE, limit, before)
        found += ids(page)
        before = page.next_cursor
        if before is None:
            break
        assert (len(page.entries), page.searched_to) == (limit, None)
    assert found == rare


async def test_a_search_that_takes_long_is_left_off_with_a_word_about_how_far_it_came(store, rare):
    log = Log(store, slowly(), 20)
    first = await log.page(RARE, 50, None)
    assert ids(first) == [91]
    assert first.searched_to == NOON + first.next_cursor - 2
    found, page = ids(first), first
    while page.next_cursor is not None:
        page = await log.page(RARE, 50, page.next_cursor)
        found += ids(page)
    assert found == rare


async def test_without_anything_to_pick_by_and_in_words_pages_come_as_they_are(store, rare):
    log = Log(store, slowly(), 1)
    assert ids(await log.page(JournalFilter(), 3, None)) == [100, 99, 98]
    assert await log.page(JournalFilter(status=503, terms=["llamas"]), 3, None) == JournalPage([], None)


async def test_what_is_older_than_the_time_asked_for_is_not_looked_at(store, rare):
    log = Log(store, at_once, 1)
    assert ids(await log.page(JournalFilter(status=503, since=NOON + 50), 50, None)) == [91, 61]
    assert await log.page(JournalFilter(status=503, since=NOON + 500), 50, None) == JournalPage([], None)
