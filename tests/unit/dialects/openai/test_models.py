import pytest

from remuda.core.faults import UnknownModel
from remuda.dialects.openai.models import listed, retrieved
from remuda.fleet.registry import Fleet, Served
from remuda.fleet.replica import Replica, ReplicaState, Told
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


def test_another_remuda_is_not_told_of_what_we_have_through_it():
    fleet = Fleet({"alias": "b"})
    served = {
        "asker": [replica("a", path=("asker",)), replica("b", path=("asker", "far")), replica("c", path=("asker",))],
        "other": [replica("b", path=("other", "third")), replica("d", path=("other", "asker"))],
        "third": [replica("b", path=("third", "far", "farther"))],
    }
    for source, replicas in served.items():
        fleet.apply(Served(source, tuple(replicas)))
    fleet.apply(Served("local", (), ("c",)))
    told = {entry.id: entry.remuda for entry in listed(fleet, askers={"asker"}).data}
    assert set(told) == {"alias", "b", "c"}, "c would be loaded here"
    assert told["b"].via == told["alias"].via == ["other", "third"], "the shortest way"
    assert told["c"].via == []
    assert not any(each.away for each in told.values())
    assert {entry.id for entry in listed(fleet).data} == {"a", "alias", "b", "c", "d"}


@pytest.mark.parametrize(
    ("replicas", "offered", "away"),
    [
        ([replica("m")], [], False),
        ([replica("m", state=ReplicaState.STANDBY)], [], True),
        ([replica("m", state=ReplicaState.DRAINING)], [], True),
        ([replica("m", state=ReplicaState.STANDBY), replica("m", path=("asker",))], [], True),
        ([], ["m"], False),
    ],
)
def test_a_model_that_nobody_has_at_present_is_away(replicas, offered, away):
    [entry] = listed(fleet_of(*replicas, offered=offered), askers={"asker"}).data
    assert entry.remuda.away is away


def test_who_does_not_tell_its_name_is_not_named():
    [entry] = listed(fleet_of(replica("m", path=("", "far")))).data
    assert entry.remuda.via == ["far"]


def telling(size_bytes: int, *path: str, state: ReplicaState = ReplicaState.ACTIVE) -> Replica:
    """A replica whose server tells this of its model, and as much of its context."""
    made = replica("m", path=path, context_length=size_bytes, state=state)
    made.told = Told(size_bytes=size_bytes, modified_at=f"20{size_bytes}-01-01T00:00:00Z")
    return made


STANDBY = ReplicaState.STANDBY


@pytest.mark.parametrize(
    ("replicas", "via", "size_bytes"),
    [
        ([telling(20), telling(30, "asker")], [], 20),
        ([telling(20), telling(30), telling(40, "other", "asker")], [], 30),
        ([telling(20), telling(30, "other")], [], 20),
        ([telling(20, "other"), telling(30, "other"), telling(40, "third")], ["other"], 30),
        ([telling(20, "other", "far"), telling(30, "third")], ["third"], 30),
        ([telling(20, "other", "far"), telling(30, "third", state=STANDBY)], ["other", "far"], 20),
        ([telling(20, state=STANDBY), telling(30, "third", state=STANDBY)], [], 20),
    ],
)
def test_what_is_told_of_a_model_has_come_the_way_that_is_told_with_it(replicas, via, size_bytes):
    [entry] = listed(fleet_of(*replicas), askers={"asker"}).data
    assert (entry.remuda.via, entry.remuda.facts.size, entry.context_length) == (via, size_bytes, size_bytes)


def test_a_client_is_told_what_all_servers_tell():
    [entry] = listed(fleet_of(telling(20), telling(30, "other"))).data
    assert (entry.context_length, entry.remuda.facts) == (30, None)


def test_the_context_of_a_model_that_would_be_loaded_is_told():
    fleet = fleet_of(replica("m"), offered=["m"])
    fleet.apply(Served("local", (), ("m",)))
    [entry] = listed(fleet, askers={"asker"}).data
    assert (entry.context_length, entry.remuda.facts.running) == (4096, False)
