"""What those who wait are told."""

from typing import Any, cast

from remuda.core.priority import Priority
from remuda.fleet.registry import Fleet, Served
from remuda.fleet.replica import ReplicaState
from remuda.gateway.waiting import (
    MAX_RETRY_AFTER_S,
    KeepAlive,
    classes,
    comment,
    eta_s,
    note_grant,
    position_of,
    retry_after,
)
from tests.unit.fleet.test_registry import Waiter, replica


class Told:
    """As much of an exchange as is needed."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.said: list[bytes] = []
        self.queue_wait_s = 0.0

    def keep_alive_comment(self, said: bytes) -> bool:
        if self.takes:
            self.said.append(said)
        return self.takes


class Held(Waiter):
    """A ticket."""

    def __init__(self, model: Any, exchange: Told, entered: float) -> None:
        super().__init__()
        self.model, self.exchange, self.entered = model, exchange, entered


def served() -> tuple[Fleet, Any]:
    fleet = Fleet()
    fleet.apply(Served("s", (replica("s/m"),)))
    model = fleet.find("m")
    assert model is not None
    return fleet, model


def test_how_long_it_takes_is_learnt_from_those_before() -> None:
    fleet, model = served()
    waiters = [Waiter() for _ in range(4)]
    for waiter in waiters:
        fleet.enqueue(model, waiter, 0, 100.0)
    assert (eta_s(model, 1), position_of(model, cast(Any, waiters[2]))) == (None, 3)
    assert retry_after(model) == 4, "a guess, one second for each slotful"
    note_grant(model, 102.0)
    assert (eta_s(model, 1), eta_s(model, 3)) == (2, 6)
    note_grant(model, 109.0)
    assert eta_s(model, 1) == 3
    assert retry_after(model) == 15
    note_grant(model, 1e6)
    assert retry_after(model) == MAX_RETRY_AFTER_S
    assert position_of(model, cast(Any, Waiter())) is None


def test_where_nobody_serves_the_model_it_is_not_known_how_long_it_takes() -> None:
    _, model = served()
    note_grant(model, 2.0)
    assert eta_s(model, 1) == 2
    model.replicas[0].state = ReplicaState.STANDBY
    assert eta_s(model, 1) is None


def test_classes_are_counted_by_their_words() -> None:
    fleet, model = served()
    waiter = Waiter()
    waiter.priority = Priority.LOW
    fleet.enqueue(model, waiter, 0, 0.0)
    assert classes(model) == {"high": 0, "normal": 0, "low": 1, "background": 0}


def test_a_comment_tells_the_place_and_what_is_known_of_the_time() -> None:
    assert comment(3, None) == b": waiting position=3\n\n"
    assert comment(3, 12) == b": waiting position=3 eta=12\n\n"


def test_comments_come_when_they_are_due_and_then_again_and_again() -> None:
    fleet, model = served()
    keep_alive = KeepAlive(10, 5)
    exchanges = [Told(), Told(takes=False), Told()]
    exchanges[2].queue_wait_s = 8.0  # it has waited before, for another replica
    tickets = [Held(model, exchange, 100.0) for exchange in exchanges]
    for ticket in tickets:
        fleet.enqueue(model, ticket, 0, 100.0)
        keep_alive.watch(cast(Any, ticket))
    keep_alive.sweep(101.9)
    assert not any(each.said for each in exchanges)
    keep_alive.sweep(102.0)
    assert [len(each.said) for each in exchanges] == [0, 0, 1]
    keep_alive.sweep(110.0)
    keep_alive.sweep(112.0)
    assert [len(each.said) for each in exchanges] == [1, 0, 2]
    keep_alive.sweep(115.0)
    assert exchanges[0].said == [b": waiting position=1\n\n"] * 2
    for ticket in tickets:
        keep_alive.unwatch(cast(Any, ticket))
    keep_alive.sweep(1000.0)
    assert keep_alive.sent == sum(len(each.said) for each in exchanges)


def test_who_comes_after_a_look_and_who_has_left_are_both_seen_to() -> None:
    fleet, model = served()
    keep_alive = KeepAlive(10, 5)
    first, second = Held(model, Told(), 100.0), Held(model, Told(), 101.0)
    fleet.enqueue(model, first, 0, 100.0)
    keep_alive.watch(cast(Any, first))
    keep_alive.sweep(110.0)
    fleet.enqueue(model, second, 0, 101.0)
    keep_alive.watch(cast(Any, second))
    keep_alive.sweep(111.0)
    assert (len(first.exchange.said), len(second.exchange.said)) == (1, 1), "the later one is due before the other"
    keep_alive.unwatch(cast(Any, first))
    keep_alive.sweep(115.0)
    keep_alive.sweep(116.0)
    assert (len(first.exchange.said), len(second.exchange.said)) == (1, 2)


def test_they_can_be_off() -> None:
    fleet, model = served()
    keep_alive, exchange = KeepAlive(0, 5), Told()
    ticket = Held(model, exchange, 0.0)
    fleet.enqueue(model, ticket, 0, 0.0)
    keep_alive.watch(cast(Any, ticket))
    keep_alive.sweep(1e9)
    assert not exchange.said
