import pytest

from remuda.dialects.console.first_model import model_to_try, names_chat
from remuda.fleet.registry import Served
from remuda.fleet.replica import ReplicaState
from tests.fixtures.asgi import fleet_of, replica


def test_an_active_model_comes_first_then_one_to_load_then_one_on_standby():
    standby = replica("a", state=ReplicaState.STANDBY)
    fleet = fleet_of(standby, offered=["b"], aliases={"short": "0"})
    assert model_to_try(fleet.offered()) == "b"
    fleet.apply(Served("other", (replica("z"),)))
    assert model_to_try(fleet.offered()) == "z"
    assert model_to_try(fleet_of(standby).offered()) == "a"
    assert model_to_try(()) is None


@pytest.mark.parametrize("name", ["nomic-embed-text", "Qwen3-Embedding-0.6B", "bge-ReRanker"])
def test_models_that_do_not_chat_are_passed_over(name: str):
    assert not names_chat(name)
    assert model_to_try(fleet_of(replica(name)).offered()) is None
    assert model_to_try(fleet_of(replica(name), offered=["zz"]).offered()) == "zz"


def test_whoever_knows_better_says_what_chats():
    fleet = fleet_of(replica("a"), replica("b"))
    assert model_to_try(fleet.offered(), lambda name: name != "a") == "b"
