"""A breaker acts on its server's slots, and is forgotten once all is well."""

from remuda.core.faults import Fault
from remuda.core.priority import Priority
from remuda.fleet.breaker import BreakerRules
from remuda.fleet.breakers import Breakers
from remuda.fleet.registry import Fleet, Served
from remuda.fleet.replica import Slots
from tests.unit.fleet.samples import replica

RULES = BreakerRules(failures=2, window_s=10, pause_s=1, ramp_s=4)


class Yard:
    """Two models on one server, and its breaker."""

    def __init__(self, rules: BreakerRules = RULES) -> None:
        self.now = 0.0
        self.fleet = Fleet()
        self.slots = Slots(16)
        self.a, self.b = (replica(model=name, slots=self.slots) for name in "ab")
        self.fleet.apply(Served("one", (self.a, self.b)))
        self.breakers = Breakers(self.fleet, rules, lambda: self.now)

    def fail(self, times: int = 2) -> None:
        for _ in range(times):
            self.breakers.failed(self.a, self.breakers.begun(self.a))

    def at(self, now: float) -> None:
        self.now = now
        self.breakers.tick()


class Waiting:
    """Somebody in a queue who takes one slot."""

    def __init__(self, slots: Slots) -> None:
        self.key_id = ""
        self.weight = 1.0
        self.priority = Priority.NORMAL
        self.entered = 0.0
        self.wants = ()
        self.slots = slots
        self.has_it = False

    def wake(self) -> bool:
        self.slots.in_use += 1
        self.has_it = True
        return True

    def fail(self, fault: Fault) -> None:
        raise AssertionError(fault)


class Failed(Waiting):
    """One whom that server has failed."""

    def __init__(self, slots: Slots) -> None:
        super().__init__(slots)
        self._recoveries = slots.recoveries

    def wake(self) -> bool:
        return self.slots.recoveries > self._recoveries and super().wake()


def test_open_holds_back_all_replicas_of_the_server():
    yard = Yard()
    yard.fail(1)
    assert yard.b.is_routable
    yard.fail(1)
    assert not yard.a.is_routable
    assert not yard.b.is_routable
    assert (yard.slots.total, yard.slots.size, yard.slots.free) == (0, 16, 0)


def test_one_trial_then_more_and_more_then_it_is_forgotten():
    yard = Yard()
    yard.fail()
    yard.at(1)
    assert yard.slots.total == 1
    mark = yard.breakers.begun(yard.b)
    assert yard.slots.total == 0
    yard.breakers.succeeded(yard.b, mark)
    assert yard.slots.total == 1
    yard.at(3)
    assert yard.slots.total == 4
    yard.at(5)
    assert (yard.slots.total, yard.slots.breaker, len(yard.breakers)) == (16, None, 0)
    assert yard.breakers.begun(yard.a) == 0


def test_a_trial_that_tells_nothing_is_followed_by_another():
    yard = Yard()
    yard.fail()
    yard.at(1)
    yard.breakers.abandoned(yard.a, yard.breakers.begun(yard.a))
    assert yard.slots.total == 0
    yard.at(1.25)
    assert yard.slots.total == 1


def test_who_waits_gets_the_trial_and_the_slots_that_follow():
    yard = Yard()
    yard.fail()
    model = yard.fleet.look_up("b")
    assert model is not None
    waiters = [Waiting(yard.slots) for _ in range(3)]
    for waiter in waiters:
        yard.fleet.enqueue(model, waiter, 0, 0.0)
    yard.at(1)
    assert [each.has_it for each in waiters] == [True, False, False]
    yard.breakers.succeeded(yard.b, yard.breakers.begun(yard.b))
    yard.at(2)
    assert [each.has_it for each in waiters] == [True, True, False]
    yard.at(3)
    assert all(each.has_it for each in waiters)


def test_a_few_failures_are_forgotten_after_the_window():
    yard = Yard()
    yard.fail(1)
    assert len(yard.breakers) == 1
    yard.at(10)
    assert (yard.slots.breaker, len(yard.breakers)) == (None, 0)


def test_a_server_that_is_gone_is_forgotten_and_begins_anew_when_it_comes_back():
    yard = Yard()
    yard.fail()
    yard.fleet.apply(Served("one", ()))
    yard.at(0.5)
    assert len(yard.breakers) == 0
    yard.fleet.apply(Served("one", (yard.a, yard.b)))
    assert yard.a.is_routable
    assert (yard.slots.total, yard.slots.breaker) == (16, None)


def test_a_server_back_from_standby_starts_slowly():
    yard = Yard()
    yard.breakers.recovered(yard.slots, "one")
    assert yard.slots.total == 1
    yard.at(4)
    assert yard.slots.total == 16


def test_recoveries_are_counted():
    yard = Yard()
    counted = [yard.slots.recoveries]
    yard.breakers.recovered(yard.slots, "one")  # it was on standby
    counted.append(yard.slots.recoveries)
    yard.fail()
    yard.at(1)
    counted.append(yard.slots.recoveries)
    yard.breakers.succeeded(yard.a, yard.breakers.begun(yard.a))
    counted.append(yard.slots.recoveries)
    assert counted == [0, 1, 1, 2]


def test_a_trial_that_nobody_asks_for_may_be_made_by_those_whom_the_server_has_failed():
    yard = Yard()
    yard.fail()
    model = yard.fleet.look_up("b")
    assert model is not None
    waiter = Failed(yard.slots)
    yard.fleet.enqueue(model, waiter, 0, 0.0)
    yard.at(1)
    assert not waiter.has_it, "others may, by whom more is learnt"
    yard.at(1.25)
    assert waiter.has_it


def test_it_can_be_switched_off():
    yard = Yard(BreakerRules(failures=0, ramp_s=0))
    yard.fail(100)
    yard.breakers.recovered(yard.slots, "one")
    assert (yard.slots.total, len(yard.breakers)) == (16, 0)
