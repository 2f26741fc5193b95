"""A breaker acts on the slots of its server, or of one replica, and is forgotten once all is well."""

from remuda.core.faults import Fault
from remuda.core.priority import Priority
from remuda.fleet.breaker import BreakerRules
from remuda.fleet.breakers import Breakers, Mark
from remuda.fleet.registry import Fleet, Served
from remuda.fleet.replica import Replica, Slots
from tests.unit.fleet.samples import replica

RULES = BreakerRules(failures=2, window_s=10, pause_s=1, ramp_s=4)


class Yard:
    """Two models on one server, and what holds them back."""

    def __init__(self, rules: BreakerRules = RULES) -> None:
        self.now = 0.0
        self.fleet = Fleet()
        self.slots = Slots(16)
        self.a, self.b = (replica(model=name, slots=self.slots) for name in "ab")
        self.fleet.apply(Served("one", (self.a, self.b)))
        self.breakers = Breakers(self.fleet, rules, lambda: self.now)

    def is_away(self, times: int = 2) -> None:
        """The server takes no connection."""
        for _ in range(times):
            self.breakers.failed(self.a, self.breakers.begun(self.a), is_there=False)

    def fail(self, times: int = 2) -> None:
        """It has been reached, and model a has failed."""
        for _ in range(times):
            self.breakers.failed(self.a, self.breakers.begun(self.a))

    def at(self, now: float) -> None:
        self.now = now
        self.breakers.tick()

    def begun(self, replica: Replica) -> Mark:
        """An attempt on one that is in trouble."""
        mark = self.breakers.begun(replica)
        assert mark is not None
        return mark


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


def test_a_server_that_is_not_there_holds_back_all_its_replicas():
    yard = Yard()
    yard.is_away(1)
    assert yard.b.is_routable
    yard.is_away(1)
    assert not yard.a.is_routable
    assert not yard.b.is_routable
    assert (yard.slots.total, yard.slots.size, yard.slots.free) == (0, 16, 0)
    assert (yard.a.hold, yard.b.hold) == (None, None)


def test_a_model_that_fails_holds_back_itself_alone():
    yard = Yard()
    yard.fail(1)
    assert yard.a.is_routable
    yard.fail(1)
    assert (yard.a.is_routable, yard.a.is_held_back, yard.a.free) == (False, True, 0)
    assert (yard.b.is_routable, yard.b.is_held_back, yard.b.free) == (True, False, 16)
    assert yard.slots.total == 16


def test_one_trial_then_more_and_more_then_it_is_forgotten():
    yard = Yard()
    yard.is_away()
    yard.at(1)
    assert yard.slots.total == 1
    mark = yard.begun(yard.b)
    assert yard.slots.total == 0
    yard.breakers.succeeded(yard.b, mark)
    assert yard.slots.total == 1
    yard.at(3)
    assert yard.slots.total == 4
    yard.at(5)
    assert (yard.slots.total, yard.slots.breaker, len(yard.breakers)) == (16, None, 0)
    assert yard.breakers.begun(yard.a) is None


def test_so_it_is_with_one_model():
    yard = Yard()
    yard.fail()
    yard.at(1)
    hold = yard.a.hold
    assert hold is not None
    assert (hold.total, yard.a.free) == (1, 1)
    mark = yard.begun(yard.a)
    assert yard.a.is_held_back
    yard.breakers.succeeded(yard.a, mark)
    yard.at(3)
    assert (hold.total, yard.a.free, yard.b.free) == (4, 4, 16)
    yard.at(5)
    assert (yard.a.hold, len(yard.breakers), yard.a.free) == (None, 0, 16)
    assert yard.breakers.begun(yard.a) is None


def test_a_model_gets_no_more_than_its_server_has():
    yard = Yard()
    yard.fail()
    yard.at(1)
    yard.breakers.succeeded(yard.a, yard.begun(yard.a))
    yard.slots.size = yard.slots.total = 2
    yard.at(4)
    assert yard.a.free == 2
    yard.slots.in_use = 2
    assert yard.a.free == 0


def test_a_failed_answer_is_a_good_trial_of_the_server_and_a_bad_one_of_the_model():
    yard = Yard()
    yard.is_away()
    yard.at(1)
    yard.breakers.failed(yard.a, yard.begun(yard.a))
    assert yard.slots.total == 1, "it is there"
    yard.fail()
    assert yard.a.is_held_back
    assert yard.b.is_routable


def test_a_server_that_is_not_there_tells_nothing_of_the_model():
    yard = Yard()
    yard.fail()
    yard.at(1)
    assert yard.a.hold is not None
    mark = yard.begun(yard.a)
    yard.breakers.failed(yard.a, mark, is_there=False)
    yard.at(1.25)
    assert yard.a.hold.total == 1, "the trial is still to be made"
    assert yard.b.is_routable


def test_a_trial_that_tells_nothing_is_followed_by_another():
    yard = Yard()
    yard.is_away()
    yard.fail()
    yard.at(1)
    assert yard.a.hold is not None
    yard.breakers.abandoned(yard.a, yard.begun(yard.a))
    assert (yard.slots.total, yard.a.hold.total) == (0, 0)
    yard.at(1.25)
    assert (yard.slots.total, yard.a.hold.total) == (1, 1)


def test_who_waits_gets_the_trial_and_the_slots_that_follow():
    yard = Yard()
    yard.is_away()
    model = yard.fleet.look_up("b")
    assert model is not None
    waiters = [Waiting(yard.slots) for _ in range(3)]
    for waiter in waiters:
        yard.fleet.enqueue(model, waiter, 0, 0.0)
    yard.at(1)
    assert [each.has_it for each in waiters] == [True, False, False]
    yard.breakers.succeeded(yard.b, yard.begun(yard.b))
    yard.at(2)
    assert [each.has_it for each in waiters] == [True, True, False]
    yard.at(3)
    assert all(each.has_it for each in waiters)


def test_a_few_failures_are_forgotten_after_the_window():
    yard = Yard()
    yard.is_away(1)
    yard.fail(1)
    assert len(yard.breakers) == 2
    yard.at(10)
    assert (yard.slots.breaker, yard.a.hold, len(yard.breakers)) == (None, None, 0)


def test_a_server_that_is_gone_is_forgotten_and_begins_anew_when_it_comes_back():
    yard = Yard()
    yard.is_away()
    yard.fail()
    yard.fleet.apply(Served("one", ()))
    yard.at(0.5)
    assert len(yard.breakers) == 0
    yard.fleet.apply(Served("one", (yard.a, yard.b)))
    assert yard.a.is_routable
    assert (yard.slots.total, yard.slots.breaker, yard.a.hold) == (16, None, None)


def test_a_model_that_its_server_no_longer_has_is_forgotten():
    yard = Yard()
    yard.fail()
    yard.fleet.apply(Served("one", (yard.b,)))
    yard.at(0.5)
    assert (len(yard.breakers), yard.a.hold) == (0, None)


def test_a_server_back_from_standby_starts_slowly():
    yard = Yard()
    yard.breakers.recovered(yard.slots, "one")
    assert yard.slots.total == 1
    yard.at(4)
    assert yard.slots.total == 16


def test_recoveries_are_counted():
    yard = Yard()
    counted = [yard.a.recoveries]
    yard.breakers.recovered(yard.slots, "one")  # it was on standby
    counted.append(yard.a.recoveries)
    yard.fail()
    yard.at(1)
    counted.append(yard.a.recoveries)
    yard.breakers.succeeded(yard.a, yard.begun(yard.a))
    counted.append(yard.a.recoveries)
    assert counted == [0, 1, 1, 2]
    yard.at(30)
    assert (yard.a.hold, yard.a.recoveries, yard.b.recoveries) == (None, 2, 1)


def test_a_server_back_from_standby_may_be_tried_before_the_pause_is_over():
    yard = Yard()
    yard.is_away()
    yard.fail()
    yard.breakers.recovered(yard.slots, "one")
    assert yard.a.hold is not None
    assert (yard.slots.total, yard.a.hold.total) == (1, 1)


def test_a_trial_that_nobody_asks_for_may_be_made_by_those_whom_the_server_has_failed():
    yard = Yard()
    yard.is_away()
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
    yard.is_away(100)
    yard.breakers.recovered(yard.slots, "one")
    assert (yard.slots.total, len(yard.breakers)) == (16, 0)
    assert yard.a.hold is None
