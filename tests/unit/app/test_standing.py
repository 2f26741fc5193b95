"""How the gateway stands, by what was seen last."""

import asyncio
from pathlib import Path

from remuda.app.settings import Settings
from remuda.app.standing import STORE_CHECK_S, Standing
from remuda.fleet.registry import Fleet
from remuda.store import open_store
from remuda.telemetry.fanout import MemoryFanout
from remuda.testing.clock import FakeClock
from tests.fixtures.asgi import fleet_of, replica
from tests.unit.app.test_suggesting import local


async def standing(tmp_path: Path, clock: FakeClock, fleet: Fleet) -> tuple[Standing, asyncio.Task[None]]:
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    made = Standing(Settings(data_dir=tmp_path), store, fleet, local(clock), MemoryFanout(), clock)
    await store.close()
    return made, asyncio.create_task(made.watch_store())


async def test_what_speaks_against_it(tmp_path: Path) -> None:
    clock = FakeClock()
    made, watching = await standing(tmp_path, clock, Fleet())
    assert made.unready() == ["no model is known"]
    made.is_draining = True
    assert made.unready() == ["the gateway is shutting down", "no model is known"]
    watching.cancel()
    await asyncio.wait([watching])


async def test_how_it_is_told(tmp_path: Path) -> None:
    clock = FakeClock()
    made, watching = await standing(tmp_path, clock, fleet_of(replica("m")))
    await clock.asleep()
    assert made.unready() == []
    assert made.vitals().has_working_engine
    assert made.broker().kind == "store"
    await clock.advance(STORE_CHECK_S)
    assert made.vitals().uptime_s == STORE_CHECK_S
    watching.cancel()
    await asyncio.wait([watching])
