"""The gateway's own models by the names that clients use."""

import math
from pathlib import Path

from remuda.app.own_models import OwnModels
from remuda.engines.launch import LocalModel
from remuda.engines.local import LocalModels, Phase
from remuda.testing.clock import FakeClock
from tests.fixtures.asgi import fleet_of, replica
from tests.unit.engines.test_local import FakeLauncher, Yard, yard


def own(made: Yard) -> OwnModels:
    fleet = fleet_of(replica("far"), offered=["a", "b", "c"], aliases={"short": "a"})
    return OwnModels(fleet, made.models, lambda: 1000.0)


async def test_they_are_kept_and_unloaded_under_all_their_names() -> None:
    async with yard(idle_unload_s=60) as y:
        models = own(y)
        assert models.expires_at("a") is None, "it is not loaded"
        await y.models.load("a")
        assert models.expires_at("a") == models.expires_at("short") == 1060
        models.keep("short:latest", math.inf)
        assert models.expires_at("a") == math.inf
        assert models.unload("short") == "a"
        await y.settle()
        assert y.phase("a") is Phase.STOPPED
        assert models.unload("a") == "a", "which it is already"


async def test_one_that_is_called_by_its_tag_is_meant_without_it_too() -> None:
    file = LocalModel("a:latest", Path("/a:latest.gguf"))
    local = LocalModels(
        [file],
        FakeLauncher(),
        FakeClock(),
        max_loaded=1,
        idle_unload_s=None,
        on_change=lambda state: None,
        is_busy=lambda name: False,
    )
    fleet = fleet_of(offered=["a:latest"], aliases={"short": "a"})
    assert OwnModels(fleet, local, lambda: 0.0).unload("short") == "a:latest"


async def test_those_of_other_servers_are_left_to_these() -> None:
    async with yard() as y:
        models = own(y)
        for name in ("far", "nope"):
            models.keep(name, 5)
            assert (models.expires_at(name), models.unload(name)) == (None, None)
