"""How busy this machine is, at the end of each minute."""

import asyncio

from remuda.app.machine_minutes import keep_minutes
from remuda.store import open_store
from remuda.store.machine import Busy, busy_minutes
from remuda.testing.clock import FakeClock


async def test_each_minute_is_kept_and_a_closed_store_is_no_end(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    clock = FakeClock(wall=30.0)
    said = iter(range(100))
    keeping = asyncio.create_task(keep_minutes(store, clock, "here", lambda: Busy(float(next(said)), 1.0)))
    await clock.asleep()
    await clock.advance(30.0)
    await clock.asleep()
    await clock.advance(60.0)
    await clock.asleep()
    assert await busy_minutes(store, 0, 10, 1) == {0: Busy(1.0, 1.0), 1: Busy(2.0, 1.0)}
    keeping.cancel()
    await asyncio.wait([keeping])
    await store.close()
