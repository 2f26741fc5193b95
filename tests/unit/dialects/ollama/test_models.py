import pytest

from remuda.core.faults import UnknownModel
from remuda.dialects.ollama.models import capabilities_of, digest_of, listed, running, shown
from remuda.fleet.replica import ReplicaState
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
