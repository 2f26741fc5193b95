"""Comparisons are driven to their end, whatever goes wrong meanwhile."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.core.clock import Clock, SystemClock
from remuda.core.comparison import ComparisonState
from remuda.core.task import Ending, TaskState
from remuda.jobs.comparison_driver import FORGET_S, ComparisonDriver
from remuda.store import Store, open_store, store_url_in
from remuda.store.comparisons import find_comparison, runs_of
from remuda.store.task_claims import claim_tasks, finish_tasks
from remuda.testing.clock import FakeClock
from tests.contract.store.test_store_comparisons import made

KEEP_S = 60.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


class Rig:
    """A driver, and whoever answers."""

    def __init__(self, store: Store, clock: Clock, name: str = "t") -> None:
        ids = itertools.count(1)
        self.fed = asyncio.Event()
        self.store = store
        self.clock = clock
        self.driver = ComparisonDriver(
            store, clock, lambda: f"{name}{next(ids)}", keep_s=KEEP_S, time_limit_s=60.0, fed=self.fed.set
        )

    async def answer(self) -> None:
        """Answer the next task."""
        async with asyncio.timeout(30):
            await self.fed.wait()
        self.fed.clear()
        await claim_and_end(self.store)
        self.driver.wake()

    async def state(self, id_: int) -> ComparisonState | None:
        found = await find_comparison(self.store, id_)
        return None if found is None else found.state

    async def until(self, id_: int, state: ComparisonState | None) -> None:
        async with asyncio.timeout(30):
            while await self.state(id_) is not state:
                pass


async def test_to_the_end(store: Store) -> None:
    rig = Rig(store, SystemClock())
    rig.driver.start()
    id_ = await made(store, prompts=["Hi"])
    rig.driver.wake()
    await rig.answer()
    await rig.answer()
    await rig.until(id_, ComparisonState.DONE)
    await rig.driver.close()


async def test_whoever_comes_next_goes_on(store: Store) -> None:
    id_ = await made(store, prompts=["Hi"])
    first, second = Rig(store, SystemClock(), "first "), Rig(store, SystemClock(), "second ")
    first.driver.start()
    await first.until(id_, ComparisonState.RUNNING)
    await first.driver.close()
    second.driver.start()
    await claim_and_end(store)
    await second.answer()
    await second.until(id_, ComparisonState.DONE)
    await second.driver.close()
    assert [run.task_id for run in await runs_of(store, id_)] == ["first 1", "second 1"]


async def claim_and_end(store: Store) -> None:
    """Whatever waits is answered."""
    for model in ("a", "b"):
        claims = await claim_tasks(store, "w", model, 9, 0.0, 60.0)
        await finish_tasks(store, [(claim, Ending(TaskState.COMPLETED)) for claim in claims], 0.0, 60.0)


async def test_how_many_are_left(store: Store) -> None:
    rig = Rig(store, FakeClock())
    assert await rig.driver.turn() == 0
    await made(store, prompts=["Hi"])
    assert await rig.driver.turn() == 1
    assert await rig.driver.turn() == 1
    for left in (1, 0):
        await claim_and_end(store)
        assert await rig.driver.turn() == left


async def test_one_of_a_key_at_a_time(store: Store) -> None:
    rig = Rig(store, FakeClock())
    first, second = await made(store, prompts=["Hi"]), await made(store, prompts=["Hi"])
    others = await made(store, "other", prompts=["Hi"])
    queued, running, done = ComparisonState.QUEUED, ComparisonState.RUNNING, ComparisonState.DONE
    for states in ((running, queued, running), (running, queued, running), (done, running, done)):
        await rig.driver.turn()
        assert tuple([await rig.state(id_) for id_ in (first, second, others)]) == states
        await claim_and_end(store)


async def test_what_is_over_is_forgotten(store: Store) -> None:
    clock = FakeClock()
    rig = Rig(store, clock)
    id_ = await made(store, prompts=["Hi"])
    for _ in range(3):
        await rig.driver.turn()
        await claim_and_end(store)
    assert await rig.state(id_) is ComparisonState.DONE
    rig.driver.start()
    await clock.asleep()
    await clock.advance(FORGET_S + KEEP_S)
    await rig.until(id_, None)
    await rig.driver.close()


async def test_a_store_that_is_away_is_asked_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(store, SystemClock())
    await store.close()
    rig.driver.start()
    async with asyncio.timeout(30):
        while "tried again" not in caplog.text:
            rig.driver.wake()
            await asyncio.sleep(0)
    await rig.driver.close()
