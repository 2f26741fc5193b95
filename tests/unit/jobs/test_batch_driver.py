"""Who drives a batch: one process at a time, and somebody always."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.core.batch import BatchState
from remuda.core.clock import SystemClock
from remuda.jobs.batch_driver import LEASE_S, MAX_DRIVEN, RENEW_S, BatchDriver
from remuda.store import Store, open_store, store_url_in
from remuda.store.leases import lease_holder, take_lease
from remuda.testing.clock import FakeClock
from tests.unit.jobs.batch_rig import Rig, a_line, jsonl


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
def rig(store: Store, tmp_path: Path) -> Rig:
    return Rig(store, tmp_path / "files", SystemClock())


def driver_of(rig: Rig, name: str = "me", **values: float) -> BatchDriver:
    return BatchDriver(rig.store, rig.files, rig.turns, rig.clock, name, keep_s=1e6, **values)


async def state_of(rig: Rig, id_: str, *wanted: BatchState) -> None:
    """Wait until the batch is in one of these states; what waits is answered meanwhile."""
    async with asyncio.timeout(30):
        while (await rig.batch(id_)).state not in wanted:
            await rig.answer(await rig.claim())


async def test_batches_are_driven_to_their_end(rig: Rig) -> None:
    first = await rig.create(jsonl(a_line(n) for n in range(10)))
    driver = driver_of(rig)
    driver.start()
    await state_of(rig, first, BatchState.COMPLETED)
    second = await rig.create(b"{")
    driver.wake(second)
    await state_of(rig, second, BatchState.FAILED)
    await driver.close()
    assert len(driver) == 0
    assert await lease_holder(rig.store, f"batch/{first}") is None


async def test_whoever_comes_next_goes_on(rig: Rig) -> None:
    id_ = await rig.create(jsonl(a_line(n) for n in range(2000)))
    for name in ("one", "two"):
        driver = driver_of(rig, name)
        driver.start()
        await state_of(rig, id_, BatchState.IN_PROGRESS)
        await rig.answer(await rig.claim(7))
        await driver.close()
        assert await lease_holder(rig.store, f"batch/{id_}") is None
    driver = driver_of(rig, "three")
    driver.start()
    await state_of(rig, id_, BatchState.COMPLETED)
    await driver.close()
    batch = await rig.batch(id_)
    assert len({line["custom_id"] for line in rig.lines_of(batch.output_file_id)}) == batch.completed == 2000


async def test_what_somebody_else_drives_is_left_alone(rig: Rig) -> None:
    held = await rig.create(jsonl([a_line(1)]))
    assert await take_lease(rig.store, f"batch/{held}", "other", rig.clock.wall(), 100.0)
    free = await rig.create(jsonl([a_line(1)]))
    driver = driver_of(rig)
    driver.start()
    await state_of(rig, free, BatchState.COMPLETED)
    await driver.close()
    assert (await rig.batch(held)).state is BatchState.VALIDATING
    assert await lease_holder(rig.store, f"batch/{held}") == "other"


async def test_whoever_loses_the_lease_lets_go(store: Store, tmp_path: Path) -> None:
    clock = FakeClock()
    rig = Rig(store, tmp_path / "files", clock)
    rig.has_room = False
    id_ = await rig.create(jsonl([a_line(1)]))
    driver = driver_of(rig)
    driver.start()
    await state_of(rig, id_, BatchState.IN_PROGRESS)
    await clock.advance(RENEW_S)
    assert await lease_holder(store, f"batch/{id_}") == "me"
    assert not await take_lease(store, f"batch/{id_}", "other", clock.wall(), LEASE_S)
    # As if this process had stood still for longer than its lease lasts.
    assert await take_lease(store, f"batch/{id_}", "other", clock.wall() + LEASE_S, LEASE_S)
    await clock.advance(RENEW_S)
    async with asyncio.timeout(30):
        while len(driver):
            await rig.batch(id_)
    assert await lease_holder(store, f"batch/{id_}") == "other"
    await driver.close()


async def test_whose_files_lie_elsewhere_is_left_alone(rig: Rig, tmp_path: Path) -> None:
    elsewhere = Rig(rig.store, tmp_path / "others", SystemClock())
    other = await elsewhere.create(jsonl([a_line(1)]))
    own = await rig.create(jsonl([a_line(1)]))
    driver = driver_of(rig)
    driver.start()
    await state_of(rig, own, BatchState.COMPLETED)
    await driver.close()
    assert (await rig.batch(other)).state is BatchState.VALIDATING


async def test_no_more_at_once_than_a_few_and_keys_take_turns(rig: Rig) -> None:
    rig.has_room = False  # so that all of them stay under way
    many = [await rig.create(jsonl([a_line(1)]), "many") for _ in range(MAX_DRIVEN + 3)]
    few = await rig.create(jsonl([a_line(1)]), "few")
    driver = driver_of(rig)
    driver.start()
    await state_of(rig, few, BatchState.IN_PROGRESS)
    async with asyncio.timeout(30):
        while [(await rig.batch(id_)).state for id_ in many].count(BatchState.IN_PROGRESS) < MAX_DRIVEN - 1:
            pass
    assert len(driver) == MAX_DRIVEN
    assert (await rig.batch(many[-1])).state is BatchState.VALIDATING
    await driver.close()


async def test_those_whose_models_never_answer_make_room_and_come_again(rig: Rig) -> None:
    ids = [await rig.create(jsonl([a_line(1)])) for _ in range(MAX_DRIVEN + 3)]
    driver = driver_of(rig, still_s=0.0)
    driver.start()
    async with asyncio.timeout(30):
        while [(await rig.batch(id_)).state for id_ in ids].count(BatchState.IN_PROGRESS) < len(ids):
            assert len(driver) <= MAX_DRIVEN
    for id_ in ids:
        await state_of(rig, id_, BatchState.COMPLETED)
    await driver.close()


async def test_a_cancelled_batch_is_seen_to_at_once(rig: Rig) -> None:
    rig.has_room = False
    id_ = await rig.create(jsonl([a_line(1)]))
    driver = driver_of(rig)
    driver.start()
    await state_of(rig, id_, BatchState.IN_PROGRESS)
    await rig.batches.cancel(id_, "k")
    driver.wake(id_)
    await state_of(rig, id_, BatchState.CANCELLED)
    await driver.close()


async def test_one_that_is_cancelled_waits_for_no_other(rig: Rig) -> None:
    rig.has_room = False
    ids = [await rig.create(jsonl([a_line(1)])) for _ in range(MAX_DRIVEN + 1)]
    driver = driver_of(rig)
    driver.start()
    async with asyncio.timeout(30):
        while [(await rig.batch(id_)).state for id_ in ids].count(BatchState.IN_PROGRESS) < MAX_DRIVEN:
            pass
    await rig.batches.cancel(ids[-1], "k")
    driver.wake(ids[-1])
    await state_of(rig, ids[-1], BatchState.CANCELLED)
    assert len(driver) >= MAX_DRIVEN
    await driver.close()


async def test_one_that_cannot_go_on_keeps_no_other_waiting(rig: Rig) -> None:
    stuck = await rig.create(jsonl([a_line(1)]))
    output = rig.files.path_of((await rig.batch(stuck)).output_file_id)
    output.mkdir()  # so that it cannot be written
    driver = driver_of(rig)
    driver.start()
    other = await rig.create(jsonl([a_line(1)]))
    driver.wake(other)
    await state_of(rig, other, BatchState.COMPLETED)
    assert (await rig.batch(stuck)).state is BatchState.VALIDATING
    output.rmdir()
    driver.wake(stuck)
    await state_of(rig, stuck, BatchState.COMPLETED)
    await driver.close()
