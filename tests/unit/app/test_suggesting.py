"""What suggestions are told of a running gateway."""

from pathlib import Path
from typing import Any

from remuda.app.settings import ModelSettings, RoutingSettings, Settings, UpstreamSettings
from remuda.app.suggesting import GatewayReadings, suggestions_of
from remuda.engines import tiny
from remuda.engines.launch import EngineKind, LocalModel
from remuda.engines.local import LocalModels
from remuda.fleet.registry import Fleet, Served
from remuda.fleet.replica import Told
from remuda.insight.facts import Held, Placed
from remuda.store import open_store, store_url_in
from remuda.testing.clock import FakeClock
from tests.unit.fleet.samples import replica


def no_launcher() -> Any:
    return None


def local(clock: FakeClock, *models: LocalModel) -> LocalModels:
    return LocalModels(
        models,
        no_launcher(),
        clock,
        max_loaded=1,
        idle_unload_s=None,
        on_change=lambda state: None,
        is_busy=lambda n: False,
    )


async def test_what_is_held_here_and_elsewhere(tmp_path: Path) -> None:
    clock, fleet = FakeClock(), Fleet()
    told = Told(size_bytes=10, size_vram_bytes=7, quantization="Q4_0", is_running=True)
    telling = replica("far", model="m")
    telling.told = told
    fleet.apply(Served("far", (telling, replica("mute", model="n"))))
    models = [
        LocalModel("tiny", tiny.CHAT),
        LocalModel("gone", tmp_path / "gone.gguf"),
        LocalModel("folder", tmp_path, engine=EngineKind.TRANSFORMERS),
    ]
    readings = GatewayReadings(Settings(), fleet, local(clock, *models), lambda name: (2, 3.0), clock)
    await clock.advance(60.0)
    found = await readings.read()
    assert found.watched_s == 60.0
    size = tiny.CHAT.stat().st_size
    assert list(found.held) == [
        Held("tiny", is_loaded=False, size_bytes=size, quantization="Q8_0", is_local=True, loads=2, load_s=3.0),
        Held("gone", is_loaded=False, size_bytes=None, quantization=None, is_local=True, loads=2, load_s=3.0),
        Held("folder", is_loaded=False, size_bytes=None, quantization=None, is_local=True, loads=2, load_s=3.0),
        Held("m", is_loaded=True, size_bytes=7, quantization="Q4_0", is_local=False),
    ]
    assert [(each.replica, each.model, each.is_local) for each in found.placed] == [
        ("far/m", "m", False), ("mute/n", "n", False)
    ]  # fmt: skip
    assert all(isinstance(each, Placed) for each in found.placed)


async def test_what_another_remuda_has_loaded_is_for_that_one_to_judge() -> None:
    clock, fleet = FakeClock(), Fleet()
    far = replica("far", model="m")
    far.told, far.path = Told(is_running=True, size_bytes=10), ("remuda-2",)
    fleet.apply(Served("far", (far,)))
    assert list((await GatewayReadings(Settings(), fleet, local(clock), lambda n: (0, 0.0), clock).read()).held) == []


async def test_a_model_that_servers_write_in_two_ways_is_one() -> None:
    clock, fleet = FakeClock(), Fleet()
    tagged = replica("far", model="m:latest")
    tagged.told = Told(is_running=True)
    fleet.apply(Served("far", (tagged, replica("mute", model="m"))))
    models = local(clock, LocalModel("m:latest", tiny.CHAT))
    found = await GatewayReadings(Settings(), fleet, models, lambda name: (2, 3.0), clock).read()
    assert [(each.model, each.is_local) for each in found.held] == [("m", True), ("m", False)]
    assert [each.model for each in found.placed] == ["m", "m"]


async def test_settings_that_may_be_proposed() -> None:
    settings = Settings(
        models=ModelSettings(max_loaded=3),
        routing=RoutingSettings(policies={"m": "weighted"}),
        upstreams=(UpstreamSettings(url="http://127.0.0.1:1"),),
    )
    clock = FakeClock()
    found = (await GatewayReadings(settings, Fleet(), local(clock), lambda name: (0, 0.0), clock).read()).settings
    assert found == {
        "models.max_loaded": 3,
        "models.idle_unload_s": 900,
        "llamacpp.n_parallel": 4,
        "llamacpp.n_ctx": None,
        "routing.policy": "least_active",
        "routing.policies.m": "weighted",
    }


async def test_targets_are_those_of_the_score(tmp_path: Path) -> None:
    store = await open_store(store_url_in(tmp_path))
    clock = FakeClock()
    settings = Settings()
    readings = GatewayReadings(settings, Fleet(), local(clock), lambda name: (0, 0.0), clock)
    facts = await suggestions_of(settings, store, clock, "me", readings).facts()
    assert facts.replicas == ()
    await store.close()
