"""A machine with a meter that says what the test says."""

import contextlib
from collections.abc import AsyncIterator

from remuda.core.tasks import Tasks
from remuda.insight.energy import EVERY_S, STALE_S, Energy
from remuda.testing.clock import FakeClock


class StandIn:
    """A meter."""

    draws: float | None = 100.0

    def watts(self) -> float | None:
        return self.draws


@contextlib.asynccontextmanager
async def running(meter: StandIn) -> AsyncIterator[tuple[Energy, FakeClock]]:
    clock = FakeClock()
    energy = Energy(meter, clock)
    tasks = Tasks("test")
    tasks.start(energy.run(), "energy")
    await clock.asleep()
    yield energy, clock
    await tasks.close()


async def passes(clock: FakeClock, seconds: int) -> None:
    for _ in range(seconds):
        await clock.advance(EVERY_S)
        await clock.asleep()


async def test_requests_share_what_is_drawn():
    meter = StandIn()
    async with running(meter) as (energy, clock):
        await passes(clock, 1)
        first = energy.begin()
        await passes(clock, 2)
        second = energy.begin()
        await passes(clock, 2)
        assert round(energy.end(second, 2.0) or 0) == 100
        assert round(energy.end(first, 4.0) or 0) == 300


async def test_where_the_meter_is_silent_nothing_is_known():
    meter = StandIn()
    meter.draws = None
    async with running(meter) as (energy, clock):
        early = energy.begin()
        await passes(clock, 2)
        assert energy.end(early, 2.0) is None
        spanning = energy.begin()
        meter.draws = 100.0
        await passes(clock, 2)
        assert energy.end(spanning, 2.5) is None
        known = energy.begin()
        await passes(clock, 1)
        assert round(energy.end(known, 1.0) or 0) == 100
        silent = energy.begin()
        meter.draws = None
        await passes(clock, int(STALE_S) + 2)
        assert energy.end(silent, STALE_S + 2) is None
