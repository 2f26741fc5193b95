import pytest

from remuda.core.faults import UnknownModel
from remuda.dialects.openai.models import listed, retrieved
from remuda.fleet.replica import ReplicaState
from tests.fixtures.asgi import fleet_of, replica


def test_aliases_are_listed_beside_models_they_name():
    fleet = fleet_of(replica("b"), offered=["d"], aliases={"a": "b", "c": "nobody", "d": "b"})
    shown = {entry.id: entry for entry in listed(fleet).data}
    assert list(shown) == ["a", "b", "c", "d", "nobody"]
    assert (shown["a"].remuda.alias_of, shown["b"].remuda.alias_of, shown["d"].remuda.alias_of) == ("b", None, None)


@pytest.mark.parametrize(
    ("states", "said", "replicas"),
    [
        ([], "standby", 0),
        ([ReplicaState.STANDBY], "standby", 0),
        ([ReplicaState.STANDBY, ReplicaState.DRAINING], "draining", 0),
        ([ReplicaState.DRAINING, ReplicaState.ACTIVE], "active", 1),
        ([ReplicaState.ACTIVE, ReplicaState.ACTIVE], "active", 2),
    ],
)
def test_model_stands_as_its_best_replica(states, said, replicas):
    fleet = fleet_of(*(replica("m", state=state) for state in states), offered=["m"])
    assert (retrieved(fleet, "m").remuda.state, retrieved(fleet, "m").remuda.replicas) == (said, replicas)


def test_context_is_said_where_it_is_known():
    fleet = fleet_of(replica("m", context_length=None), replica("m", context_length=512))
    assert retrieved(fleet, "m").context_length == 512
    assert retrieved(fleet_of(offered=["m"]), "m").context_length is None


def test_any_name_is_a_model_where_a_server_takes_any():
    fleet = fleet_of(replica("*"))
    assert (retrieved(fleet, "whatever").id, retrieved(fleet, "whatever").remuda.alias_of) == ("whatever", None)
    assert listed(fleet).data == []


def test_unknown_model_is_named_in_part_only():
    with pytest.raises(UnknownModel) as caught:
        retrieved(fleet_of(), "x" * 1000)
    assert len(caught.value.message) < 300
