"""Who leads, over real stores and a clock that stands still."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from remuda.app.leadership import RENEWALS, TTL_S, Leadership
from remuda.store import Store, open_store, store_url_in
from remuda.testing.clock import FakeClock
from tests.contract.store.samples import run_sql


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


def pair(store: Store, clock: FakeClock) -> tuple[Leadership, Leadership]:
    return Leadership(store, "probes", "one", clock), Leadership(store, "probes", "two", clock)


async def test_one_of_two_leads_and_goes_on_leading(store: Store) -> None:
    clock = FakeClock()
    one, two = pair(store, clock)
    for _ in range(4):
        await one.claim()
        await two.claim()
        assert (one.is_leading, two.is_leading) == (True, False)
        await clock.advance(TTL_S / RENEWALS)


async def test_leadership_moves_when_the_leader_dies(store: Store) -> None:
    clock = FakeClock()
    one, two = pair(store, clock)
    await one.claim()
    await two.claim()
    await clock.advance(TTL_S - 0.1)
    await two.claim()
    assert (one.is_leading, two.is_leading) == (True, False)
    await clock.advance(0.1)
    assert not one.is_leading, "it could not answer: it must not believe in it longer than others have to"
    await two.claim()
    assert two.is_leading


async def test_a_leader_that_nobody_has_asked_yet_dies_no_later(store: Store) -> None:
    clock = FakeClock()
    one, two = pair(store, clock)
    await one.claim()
    await clock.advance(TTL_S)
    assert not one.is_leading
    await two.claim()
    assert not two.is_leading, "it may have died long ago, or ask again in the next moment"
    await clock.advance(TTL_S)
    await two.claim()
    assert two.is_leading


async def test_one_that_is_alone_writes_nothing(store: Store) -> None:
    clock = FakeClock()
    one, two = pair(store, clock)
    await one.claim()

    async def written() -> int:
        return (await asyncio.to_thread(Path(f"{store.url.database}-wal").stat)).st_size

    before = await written()
    for _ in range(4 * RENEWALS):
        await clock.advance(TTL_S / RENEWALS)
        await one.claim()
        assert one.is_leading
    assert await written() == before
    await two.claim()
    assert await written() > before


async def test_leadership_moves_at_once_when_the_leader_resigns(store: Store) -> None:
    clock = FakeClock()
    one, two = pair(store, clock)
    await one.claim()
    await one.resign()
    assert not one.is_leading
    await two.claim()
    assert two.is_leading


async def test_while_the_store_does_not_answer_everybody_leads(store: Store) -> None:
    clock = FakeClock()
    one, two = pair(store, clock)
    await one.claim()
    await two.claim()
    await run_sql(store, "ALTER TABLE leases RENAME TO away")
    await two.claim()
    assert (one.is_leading, two.is_leading) == (True, True)
    await run_sql(store, "ALTER TABLE away RENAME TO leases")
    await two.claim()
    assert (one.is_leading, two.is_leading) == (True, False)


async def test_one_that_is_alone_leads_however_busy_its_store_is(store: Store) -> None:
    clock = FakeClock()
    one, _ = pair(store, clock)
    await one.claim()
    with contextlib.closing(sqlite3.connect(str(store.url.database), isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        for _ in range(2 * RENEWALS):
            await clock.advance(TTL_S / RENEWALS)
            await one.claim()
            assert one.is_leading


async def test_a_change_is_told_once(store: Store) -> None:
    clock = FakeClock()
    one, two = pair(store, clock)
    told: list[bool] = []
    two.on_change(told.append)
    await one.claim()
    await two.claim()
    await two.claim()
    assert told == [False]
    await one.resign()
    await two.claim()
    await two.claim()
    assert told == [False, True]


async def test_it_renews_by_itself(store: Store) -> None:
    clock = FakeClock()
    one, two = pair(store, clock)
    running = asyncio.ensure_future(one.run())
    await clock.asleep()
    for _ in range(2 * RENEWALS):
        await clock.advance(TTL_S / RENEWALS)
        await clock.asleep()
        await two.claim()
        assert not two.is_leading
    running.cancel()
