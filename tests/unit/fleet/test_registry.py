"""The fleet: what sources announce, what names mean, and who is woken."""

from remuda.core.address import parse_address
from remuda.core.faults import EngineDown, Fault
from remuda.engines.openai.adapter import OpenAILike
from remuda.fleet.registry import WILDCARD, Failed, Fleet, Model, Served
from remuda.fleet.replica import Replica, ReplicaState, Slots


def replica(name: str, *, model: str = "m", slots: Slots | None = None) -> Replica:
    return Replica(
        name,
        model=model,
        upstream_model=model,
        engine=OpenAILike(),
        address=parse_address("http://127.0.0.1:1/v1"),
        slots=slots or Slots(1),
    )


class Waiter:
    def __init__(self, takes: list[Replica] | None = None, *, wants: bool = True) -> None:
        self.takes = takes if takes is not None else []
        self.wants = wants
        self.woken = 0
        self.fault: Fault | None = None

    def wake(self) -> bool:
        self.woken += 1
        return self.wants

    def fail(self, fault: Fault) -> None:
        self.fault = fault


def waiting(fleet: Fleet, model: Model, *waiters: Waiter) -> None:
    model.waiting.extend(waiters)
    fleet.queued += len(waiters)


def test_names() -> None:
    fleet = Fleet({"alias": "m", "nowhere": "none"})
    assert fleet.find("m") is None
    fleet.apply(Served("s", (replica("s/m"),), offered=("m", "offered")))
    model = fleet.find("m")
    assert model is not None
    assert fleet.find("alias") is model
    assert fleet.find("nowhere") is None
    assert fleet.find("other") is None
    assert [each.name for each in fleet.models()] == ["m", "offered"]


def test_a_name_once_known_stays_known() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (replica("s/m"),)))
    fleet.apply(Served("s", ()))
    model = fleet.find("m")
    assert model is not None
    assert model.replicas == ()


def test_the_wildcard_takes_what_nobody_else_knows() -> None:
    fleet = Fleet({"nowhere": "none"})
    fleet.apply(Served("s", (replica("s", model=WILDCARD),)))
    fleet.apply(Served("t", (replica("t/m"),)))
    wild, known = fleet.find("anything"), fleet.find("m")
    assert wild is not None
    assert known is not None
    assert (wild.name, known.name) == (WILDCARD, "m")
    assert fleet.find("nowhere") is None, "an alias says whom it means"
    assert [each.name for each in fleet.models()] == ["m"]
    fleet.apply(Served("s", ()))
    assert fleet.find("anything") is None


def test_each_source_replaces_only_what_it_said_itself() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (replica("s/m"),)))
    fleet.apply(Served("t", (replica("t/m"),)))
    fleet.apply(Served("s", (replica("s/m2"),)))
    model = fleet.find("m")
    assert model is not None
    assert sorted(each.id for each in model.replicas) == ["s/m2", "t/m"]
    assert len(list(fleet.replicas())) == 2


def test_as_many_are_woken_as_there_are_free_slots_first_come_first_served() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (), offered=("m",)))
    model = fleet.find("m")
    assert model is not None
    waiters = [Waiter() for _ in range(4)]
    waiting(fleet, model, *waiters)
    fleet.apply(Served("s", (replica("s/m", slots=Slots(2)),)))
    assert [each.woken for each in waiters] == [1, 1, 0, 0]


def test_who_no_longer_wants_a_slot_costs_nobody_one() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (), offered=("m",)))
    model = fleet.find("m")
    assert model is not None
    waiters = [Waiter(wants=False), Waiter(wants=False), Waiter(), Waiter()]
    waiting(fleet, model, *waiters)
    fleet.apply(Served("s", (replica("s/m"),)))
    assert [each.woken for each in waiters] == [1, 1, 1, 0]


def test_replicas_that_are_not_active_wake_nobody() -> None:
    fleet = Fleet()
    one = replica("s/m")
    one.state = ReplicaState.STANDBY
    fleet.apply(Served("s", (one,)))
    model = fleet.find("m")
    assert model is not None
    waiter = Waiter()
    waiting(fleet, model, waiter)
    fleet.apply(Served("s", (one,)))
    assert waiter.woken == 0
    one.state = ReplicaState.ACTIVE
    fleet.apply(Served("s", (one,)))
    assert waiter.woken == 1


def test_a_freed_slot_goes_to_its_own_model_first_and_else_to_others_on_that_server() -> None:
    fleet = Fleet()
    slots = Slots(1)
    slots.in_use = 1
    one, two = replica("s/a", model="a", slots=slots), replica("s/b", model="b", slots=slots)
    fleet.apply(Served("s", (one, two)))
    a, b = fleet.find("a"), fleet.find("b")
    assert a is not None
    assert b is not None

    class Taking(Waiter):
        def wake(self) -> bool:
            slots.in_use += 1
            return super().wake()

    of_a, of_b = Taking(), Taking()
    waiting(fleet, b, of_b)
    waiting(fleet, a, of_a)
    for woken in ((1, 0), (1, 1)):
        slots.in_use -= 1
        fleet.freed(one)
        assert (of_a.woken, of_b.woken) == woken


def test_failure_reaches_those_who_wait_unless_another_replica_serves() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (), offered=("m",)))
    model = fleet.find("m")
    assert model is not None
    waiters = [Waiter(), Waiter()]
    waiting(fleet, model, *waiters)
    fault = EngineDown()
    fleet.apply(Failed("m", fault))
    assert [each.fault for each in waiters] == [fault, fault]
    assert not model.waiting
    fleet.apply(Failed("unknown", fault))
    busy = replica("t/m")
    busy.slots.in_use = 1
    fleet.apply(Served("t", (busy,)))
    patient = Waiter()
    waiting(fleet, model, patient)
    fleet.apply(Failed("m", fault))
    assert patient.fault is None


def test_sources_hear_what_is_wanted() -> None:
    fleet = Fleet()
    wanted: list[str] = []
    fleet.on_wanted(wanted.append)
    fleet.apply(Served("s", (), offered=("m",)))
    model = fleet.find("m")
    assert model is not None
    fleet.want(model)
    assert wanted == ["m"]
