import math

import pytest

from remuda.core.faults import UnknownModel
from remuda.dialects.ollama.models import FOREVER, capabilities_of, digest_of, listed, running, shown
from remuda.dialects.ollama.own import NoModels
from remuda.fleet.registry import Served
from remuda.fleet.replica import ReplicaState, Told
from tests.fixtures.asgi import fleet_of, replica

FLEET = fleet_of(
    replica("b"),
    replica("a", state=ReplicaState.STANDBY, context_length=None),
    offered=["c"],
    aliases={"short": "b", "lost": "far"},
)


def test_all_models_and_aliases_are_listed():
    names = [model.name for model in listed(FLEET).models]
    assert names == ["a", "b", "c", "far", "lost", "short"]
    by_name = {model.name: model for model in listed(FLEET).models}
    assert by_name["short"].digest == by_name["b"].digest == digest_of("b")
    assert by_name["b"].modified_at == "2023-11-14T22:13:20.000000Z"


def test_those_that_can_answer_at_once_are_running():
    assert [(model.name, model.context_length) for model in running(FLEET).models] == [("b", 4096), ("short", 4096)]


@pytest.mark.parametrize("name", ["b", "b:latest", "short", "short:latest"])
def test_a_model_is_shown_under_all_its_names(name):
    made = shown(FLEET, name)
    assert made.model_info["general.basename"] == "b"
    assert made.model_info["unknown.context_length"] == 4096


def test_an_unknown_model_is_not_shown():
    with pytest.raises(UnknownModel):
        shown(FLEET, "nope")
    assert "unknown.context_length" not in shown(FLEET, "a").model_info


def test_names_tell_what_a_model_may_do():
    assert capabilities_of("nomic-Embed-text") == ["embedding"]
    assert capabilities_of("bge-reranker") == []
    assert capabilities_of("llama3.2:3b") == ["completion", "tools"]


OLD = Told(
    size_bytes=1, digest="old", modified_at="2026-01-01T00:30:00.123456789+01:00", is_running=True, family="llama"
)
NEW = Told(
    size_bytes=2,
    digest="new",
    modified_at="2026-01-01T00:00:00Z",
    is_running=False,
    family="qwen3",
    families=("qwen3",),
    quantization="Q4_0",
    capabilities=("completion", "vision"),
    trained_context=32_768,
)


def told(*tellings):
    """One model on several servers, each with what it tells."""
    made = [replica("m") for _ in tellings]
    for each, telling in zip(made, tellings, strict=True):
        each.told = telling
    return fleet_of(*made)


@pytest.mark.parametrize("order", [1, -1])
def test_where_several_servers_have_a_model_it_is_listed_once_as_the_newest(order):
    [entry] = listed(told(*[OLD, NEW, None][::order])).models
    assert (entry.name, entry.size, entry.digest, entry.modified_at) == ("m", 2, "new", NEW.modified_at)
    assert (entry.details.family, entry.details.quantization_level) == ("qwen3", "Q4_0")


def test_what_no_server_has_loaded_is_not_running():
    assert running(told(NEW)).models == []
    loaded = Told(digest="other", is_running=True, size_vram_bytes=7, expires_at="2026-02-02T00:00:00Z")
    [entry] = running(told(NEW, loaded)).models
    assert (entry.digest, entry.size_vram, entry.expires_at) == ("other", 7, "2026-02-02T00:00:00Z")


def test_our_own_expire_when_they_will_be_unloaded():
    class Own(NoModels):
        def expires_at(self, name: str) -> float | None:
            return {"b": 1_700_000_000.5, "for-ever": math.inf}.get(name)

    fleet = fleet_of(replica("b"), replica("c"), replica("for-ever"), aliases={"short": "b"})
    assert {entry.name: entry.expires_at for entry in running(fleet, Own()).models} == {
        "b": "2023-11-14T22:13:20.500000Z",
        "short": "2023-11-14T22:13:20.500000Z",
        "c": FOREVER,
        "for-ever": FOREVER,
    }


def test_a_model_is_shown_with_what_its_server_tells():
    made = shown(told(NEW), "m")
    assert made.capabilities == ["completion", "vision"]
    assert made.model_info["qwen3.context_length"] == 32_768
    assert made.modified_at == NEW.modified_at


def test_a_model_that_is_not_loaded_has_what_its_source_tells():
    fleet = fleet_of(offered=["own", "other"])
    info = (("general.architecture", "llama"), ("general.parameter_count", 7))
    own = Told(size_bytes=3, digest="own", family="llama", capabilities=(), trained_context=64, info=info)
    fleet.apply(Served("local", (), ("own", "other"), {"own": own}))
    assert [(entry.name, entry.size) for entry in listed(fleet).models] == [("other", 0), ("own", 3)]
    made = shown(fleet, "own")
    assert made.capabilities == []
    assert made.model_info == {
        "general.architecture": "llama",
        "general.basename": "own",
        "general.parameter_count": 7,
        "llama.context_length": 64,
    }
    assert running(fleet).models == []
    fleet.apply(Served("local", (), ("own", "other")))
    assert shown(fleet, "own").details.family == "llama"
