"""What sources announce becomes what readers find, and whoever waits is woken or told."""

import pytest

from remuda.core.faults import EngineDown, Fault
from remuda.fleet.registry import WILDCARD, Failed, Fleet, Served
from remuda.fleet.replica import ReplicaState, Slots
from tests.unit.fleet.samples import replica


class FakeWaiter:
    """Somebody in a queue, who remembers what came."""

    def __init__(self, *, wants: bool = True) -> None:
        self.wants = wants
        self.woken = 0
        self.fault: Fault | None = None

    def wake(self) -> bool:
        self.woken += 1
        return self.wants

    def fail(self, fault: Fault) -> None:
        self.fault = fault


@pytest.fixture
def fleet() -> Fleet:
    return Fleet({"alias": "m", "dangling": "nowhere"}, wall=lambda: 1000.7)


def waiting(fleet: Fleet, name: str, *waiters: FakeWaiter) -> None:
    model = fleet.find(name)
    assert model is not None
    model.waiting.extend(waiters)
    fleet.queued += len(waiters)


def test_a_name_an_alias_and_a_stranger(fleet: Fleet):
    fleet.apply(Served("one", (replica(),)))
    assert fleet.find("m") is fleet.find("alias")
    assert fleet.find("dangling") is None
    assert fleet.find("other") is None


def test_a_name_once_offered_stays_known(fleet: Fleet):
    fleet.apply(Served("one", (replica(),)))
    fleet.apply(Served("one", ()))
    model = fleet.find("m")
    assert model is not None
    assert model.replicas == ()
    assert (model.created_at, model.owner) == (1000, "one")


def test_sources_add_up_and_replace_only_their_own(fleet: Fleet):
    first, second, third = replica("one"), replica("two"), replica("three")
    fleet.apply(Served("a", (first,)))
    fleet.apply(Served("b", (second,)))
    fleet.apply(Served("a", (third,)))
    assert set(fleet.replicas()) == {second, third}


def test_a_server_that_takes_any_name_gets_strangers_but_no_dangling_alias(fleet: Fleet):
    fleet.apply(Served("any", (replica("any", model=WILDCARD),)))
    fleet.apply(Served("one", (replica(),)))
    found = fleet.find("whatever")
    assert found is not None
    assert found.name == WILDCARD
    assert fleet.find("dangling") is None
    assert [model.name for model in fleet.models()] == ["m"]


def test_as_many_are_woken_as_there_are_free_slots(fleet: Fleet):
    fleet.apply(Served("one", (), offered=("m",)))
    waiters = [FakeWaiter(wants=False), *(FakeWaiter() for _ in range(3))]
    waiting(fleet, "m", *waiters)
    fleet.apply(Served("one", (replica(slots=2),)))
    assert [waiter.woken for waiter in waiters] == [1, 1, 1, 0]


def test_a_freed_slot_goes_to_its_own_model_first_then_to_others_on_the_server(fleet: Fleet):
    slots = Slots(1)
    one, other = replica(model="m", slots=slots), replica(model="n", slots=slots)
    fleet.apply(Served("one", (one, other)))
    slots.in_use = 1
    neighbour = FakeWaiter()
    waiting(fleet, "n", neighbour)
    slots.in_use = 0
    fleet.freed(one)
    assert neighbour.woken == 1


def test_who_waits_for_a_model_that_fails_is_told(fleet: Fleet):
    fleet.apply(Served("one", (), offered=("m",)))
    waiter, fault = FakeWaiter(), EngineDown()
    waiting(fleet, "m", waiter)
    fleet.apply(Failed("m", fault))
    assert waiter.fault is fault


def test_a_failure_is_nobodys_matter_while_another_replica_serves(fleet: Fleet):
    fleet.apply(Served("two", (replica("two", in_use=4),)))
    waiter = FakeWaiter()
    waiting(fleet, "m", waiter)
    fleet.apply(Failed("m", EngineDown()))
    assert waiter.fault is None


def test_on_standby_is_known_but_wakes_nobody(fleet: Fleet):
    fleet.apply(Served("one", (), offered=("m",)))
    waiter = FakeWaiter()
    waiting(fleet, "m", waiter)
    fleet.apply(Served("one", (replica(state=ReplicaState.STANDBY),)))
    assert waiter.woken == 0


def test_sources_hear_what_is_wanted(fleet: Fleet):
    heard: list[str] = []
    fleet.on_wanted(heard.append)
    fleet.apply(Served("one", (), offered=("m",)))
    model = fleet.find("m")
    assert model is not None
    fleet.want(model)
    assert heard == ["m"]
