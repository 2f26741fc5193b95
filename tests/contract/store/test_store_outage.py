"""The store goes away and comes back: nothing is lost and nothing is counted twice."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.contract.store.samples import a_record
from tests.contract.store.turns import TurnClock

from remuda.store import Journal, Store, open_store, store_url_in
from remuda.store.journal_reading import JournalFilter, journal_page


class Outage:
    """Takes the store away and gives it back."""

    def __init__(self, request: pytest.FixtureRequest, store: Store) -> None:
        self._request = request
        self._store = store
        self._lock: sqlite3.Connection | None = None

    def begin(self) -> None:
        if self._store.is_sqlite:
            self._lock = sqlite3.connect(str(self._store.url.database), isolation_level=None)
            self._lock.execute("BEGIN IMMEDIATE")
        else:
            self._request.getfixturevalue("postgres_server").stop()

    def end(self) -> None:
        if self._lock is not None:
            self._lock.execute("ROLLBACK")
            self._lock.close()
            self._lock = None
        elif not self._store.is_sqlite:
            self._request.getfixturevalue("postgres_server").start()


@pytest.fixture
def outage(request: pytest.FixtureRequest, store: Store) -> Iterator[Outage]:
    made = Outage(request, store)
    yield made
    made.end()


def files_in(folder: Path, pattern: str = "*") -> list[Path]:
    return [path for path in folder.rglob(pattern) if path.is_file()]


async def ids_in(store: Store) -> list[str]:
    """Request ids in the journal's order, oldest first."""
    page = await journal_page(store, JournalFilter(), limit=1000)
    return [entry.record.id for entry in reversed(page.entries)]


async def test_what_the_store_did_not_take_is_spooled_and_loaded_in_order(
    store: Store, outage: Outage, new_journal, spool_folder: Path
):
    journal: Journal = new_journal(store)
    journal.append(a_record(0))
    await journal.flush()
    outage.begin()
    for number in range(1, 4):
        journal.append(a_record(number))
        await journal.flush()
    assert (journal.committed, journal.spilled, journal.buffered, journal.dropped) == (1, 3, 0, 0)
    assert journal.spooled_bytes == sum(path.stat().st_size for path in files_in(spool_folder, "*.jsonl")) > 0
    outage.end()
    journal.append(a_record(4))
    await journal.flush()
    assert (journal.loaded, journal.committed, journal.spooled_bytes) == (3, 2, 0)
    assert await ids_in(store) == [f"req_{number:06d}" for number in range(5)]
    assert files_in(spool_folder) == []
    await journal.close()


async def test_what_a_closed_journal_could_not_deliver_the_next_one_does(
    store: Store, outage: Outage, new_journal, spool_folder: Path
):
    outage.begin()
    first: Journal = new_journal(store)
    for number in range(3):
        first.append(a_record(number))
    await first.close()
    assert (first.spilled, first.buffered, first.dropped) == (3, 0, 0)
    outage.end()
    clock = TurnClock()
    second: Journal = new_journal(store, clock)
    await second.start()
    second.append(a_record(3))
    await clock.turn()
    assert sorted(await ids_in(store)) == [f"req_{number:06d}" for number in range(4)]
    assert (second.loaded, second.committed) == (3, 1)
    assert files_in(spool_folder) == []
    await second.close()


async def test_a_spool_file_that_outlived_its_loading_is_not_loaded_twice(
    store: Store, outage: Outage, new_journal, spool_folder: Path
):
    outage.begin()
    first: Journal = new_journal(store)
    first.append(a_record(0))
    await first.close()
    outage.end()
    left = {path: path.read_bytes() for path in files_in(spool_folder)}
    second: Journal = new_journal(store)
    await second.start()
    await second.flush()
    await second.close()
    for path, content in left.items():  # as a crash between the commit and the removal leaves it
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    third: Journal = new_journal(store)
    await third.start()
    await third.flush()
    assert (third.loaded, third.spooled_bytes) == (0, 0)
    assert await ids_in(store) == ["req_000000"]
    await third.close()


async def test_a_living_process_keeps_its_spool_to_itself(
    store: Store, outage: Outage, new_journal, spool_folder: Path
):
    outage.begin()
    living: Journal = new_journal(store)
    living.append(a_record(0))
    await living.flush()
    outage.end()
    other: Journal = new_journal(store)
    await other.start()
    await other.flush()
    assert other.loaded == 0
    await other.close()
    await living.flush()
    assert living.loaded == 1
    await living.close()


async def test_only_when_spool_and_buffer_are_full_records_are_dropped_and_counted(
    store: Store, outage: Outage, new_journal
):
    journal: Journal = new_journal(store, spool_bytes=2000, buffered_records=5, batch_records=2)
    outage.begin()
    appended = 0
    while journal.dropped == 0:
        journal.append(a_record(appended))
        appended += 1
        if journal.buffered >= 5:
            await journal.flush()
    assert journal.spilled > 0
    assert 5 <= journal.buffered <= 7
    assert journal.spilled + journal.buffered + journal.dropped == appended
    outage.end()
    await journal.flush()
    assert (journal.buffered, journal.spooled_bytes) == (0, 0)
    assert await ids_in(store) == [f"req_{number:06d}" for number in range(appended - 1)]
    await journal.close()


async def test_while_the_store_is_away_it_is_tried_once_a_second_not_each_turn(
    store: Store, outage: Outage, new_journal
):
    clock = TurnClock()
    now = 0.0
    clock.monotonic = lambda: now  # type: ignore[method-assign]
    journal: Journal = new_journal(store, clock)
    await journal.start()
    outage.begin()
    journal.append(a_record(0))
    await clock.turn()
    assert journal.spilled == 1
    outage.end()
    now = 0.9
    journal.append(a_record(1))
    await clock.turn()
    assert (journal.spilled, journal.loaded) == (2, 0)
    now = 1.1
    await clock.turn()
    assert journal.loaded == 2
    await journal.close()


class SlowStore(Store):
    """Commits of the journal wait for the event and then happen."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.url, store.ledger)
        self.may_commit = asyncio.Event()

    async def write_journal(self, work, *, is_durable: bool):
        await self.may_commit.wait()
        return await super().write_journal(work, is_durable=is_durable)


@asynccontextmanager
async def slow(store: Store) -> AsyncIterator[SlowStore]:
    made = SlowStore(store)
    yield made
    await made.close()


async def test_behind_a_slow_commit_records_are_spooled_before_any_is_dropped(store: Store, new_journal):
    async with slow(store) as slow_store:
        journal: Journal = new_journal(slow_store, buffered_records=4, batch_records=2, patience_s=0.01)
        for number in range(20):
            journal.append(a_record(number))
            await journal.flush()
        assert journal.dropped == 0
        assert journal.spilled >= 15
        slow_store.may_commit.set()
        while journal.buffered or journal.spooled_bytes:
            await journal.flush()
        assert await ids_in(store) == [f"req_{number:06d}" for number in range(20)]
        await journal.close()


async def test_a_commit_cut_off_by_the_close_is_delivered_by_the_next_process(store: Store, new_journal):
    async with slow(store) as slow_store:
        first: Journal = new_journal(slow_store, patience_s=0.01)
        first.append(a_record(0))
        await first.flush()
        first.append(a_record(1))
        await first.close(timeout_s=0.05)
        assert (first.spilled, first.buffered, first.dropped) == (2, 0, 0)
        slow_store.may_commit.set()
        second: Journal = new_journal(store)
        await second.start()
        await second.flush()
        await second.close()
    assert await ids_in(store) == ["req_000000", "req_000001"]


async def test_a_close_during_an_outage_takes_no_longer_than_it_may(
    store: Store, outage: Outage, new_journal, spool_folder: Path
):
    outage.begin()
    first: Journal = new_journal(store)
    first.append(a_record(0))
    await first.close(timeout_s=0.01)
    assert (first.spilled, first.buffered, first.dropped) == (1, 0, 0)
    outage.end()
    second: Journal = new_journal(store)
    await second.start()
    await second.flush()
    await second.close()
    assert await ids_in(store) == ["req_000000"]


async def test_a_full_disk_costs_nothing_while_memory_lasts(tmp_path: Path, new_journal):
    resource = pytest.importorskip("resource", reason="file size limits are POSIX's")
    store = await open_store(store_url_in(tmp_path / "data"))
    journal: Journal = new_journal(store)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        for number in range(3):
            journal.append(a_record(number))
            await journal.flush()
        assert (journal.buffered, journal.committed, journal.spilled, journal.dropped) == (3, 0, 0, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    await journal.flush()
    assert (journal.buffered, journal.committed) == (0, 3)
    assert await ids_in(store) == ["req_000000", "req_000001", "req_000002"]
    await journal.close()
    await store.close()
