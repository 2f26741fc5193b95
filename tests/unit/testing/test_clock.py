"""The fake clock: time passes only when told, and sleepers wake in order, each at its own moment."""

import asyncio

import pytest

from remuda.core.clock import Clock
from remuda.testing.clock import FakeClock


async def test_sleepers_wake_in_the_order_of_their_deadlines_each_at_its_moment() -> None:
    clock = FakeClock(monotonic=0.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("late", 3.0), ("early", 1.0), ("also early", 1.0), ("later", 9.0)):
            group.create_task(sleeper(name, seconds))
        await clock.asleep(4)
        await clock.advance(5)
        assert woken == [("early", 1.0), ("also early", 1.0), ("late", 3.0)]
        assert (clock.monotonic(), clock.sleepers) == (5.0, 1)
        await clock.advance(4)
    assert woken[-1] == ("later", 9.0)


async def test_who_sleeps_again_is_woken_again_within_one_advance() -> None:
    clock = FakeClock(monotonic=0.0)
    beats: list[float] = []

    async def heart() -> None:
        while len(beats) < 5:
            await clock.sleep(1)
            beats.append(clock.monotonic())

    async with asyncio.TaskGroup() as group:
        group.create_task(heart())
        await clock.advance(10)
    assert beats == [1, 2, 3, 4, 5]


async def test_a_cancelled_sleeper_is_forgotten_and_no_time_means_one_turn() -> None:
    clock = FakeClock()
    await clock.sleep(0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(clock.sleep(100), timeout=0)
    assert clock.sleepers == 0
    await clock.advance(1000)


async def test_wall_time_moves_along_and_can_be_stepped_alone() -> None:
    clock = FakeClock(wall=50.0, monotonic=7.0)
    await clock.advance(2.5)
    clock.step_wall(-20)
    assert (clock.wall(), clock.monotonic()) == (32.5, 9.5)


async def test_waiting_for_a_sleeper_that_never_comes_says_so() -> None:
    with pytest.raises(TimeoutError, match="1 sleepers"):
        await FakeClock().asleep(1, within_s=0.01)


def test_it_is_a_clock() -> None:
    clock: Clock = FakeClock()
    assert isinstance(clock.monotonic(), float)
