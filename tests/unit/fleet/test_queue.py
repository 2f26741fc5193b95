"""Whose turn it is."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remuda.core.faults import Fault
from remuda.core.priority import Priority
from remuda.fleet.queue import STARVATION, Queue


class Somebody:
    """A waiter with a name."""

    def __init__(self, name: str, key: str = "", priority: Priority = Priority.NORMAL) -> None:
        self.name, self.key_id, self.priority, self.entered = name, key, priority, 0.0

    def wake(self) -> bool | None:
        return True

    def fail(self, fault: Fault) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name


def queue_of(*waiters: Somebody, weights: dict[str, float] | None = None) -> Queue:
    queue = Queue(weights)
    for waiter in waiters:
        queue.add(waiter)
    return queue


def served(queue: Queue, n: int | None = None) -> list[str]:
    return [repr(queue.pop()) for _ in range(len(queue) if n is None else n)]


def line(names: str, key: str = "", priority: Priority = Priority.NORMAL) -> list[Somebody]:
    return [Somebody(name, key, priority) for name in names]


def test_first_come_first_served_within_a_key() -> None:
    assert served(queue_of(*line("abc"))) == ["a", "b", "c"]


def test_keys_take_turns_however_many_each_has_waiting() -> None:
    queue = queue_of(*line("aaaaaa", "one"), *line("bb", "two"), *line("c", "three"))
    assert served(queue) == ["a", "b", "c", "a", "b", "a", "a", "a", "a"]


def test_a_heavier_key_gets_more_turns() -> None:
    queue = queue_of(*line("a" * 30, "one"), *line("b" * 30, "two"), weights={"two": 2.0})
    assert Counter(served(queue, 30)) == {"a": 10, "b": 20}


def test_nobody_saves_up_turns() -> None:
    queue = queue_of(*line("a" * 12, "one"))
    served(queue, 8)
    for each in line("bbbb", "two"):
        queue.add(each)
    assert Counter(served(queue, 4)) == {"a": 2, "b": 2}, "the second was not there before: it has nothing to catch up"


def test_higher_classes_first_but_the_lower_ones_not_never() -> None:
    high, low = line("h" * 40, priority=Priority.HIGH), line("l" * 3, priority=Priority.LOW)
    order = served(queue_of(*low, *high))
    assert [place for place, name in enumerate(order) if name == "l"] == [8, 17, 26]
    assert STARVATION == 8


def test_two_lower_classes_do_not_starve_each_other() -> None:
    waiters = [
        *line("h" * 60, priority=Priority.HIGH),
        *line("l" * 60, priority=Priority.LOW),
        *line("b" * 60, priority=Priority.BACKGROUND),
    ]
    first = Counter(served(queue_of(*waiters), 60))
    assert first["l"] >= 6
    assert first["b"] >= 6
    assert first["h"] >= 40


def test_a_turn_that_could_not_be_taken_is_given_back() -> None:
    queue = queue_of(*line("ab", "one"), *line("cd", "two"))
    first = queue.pop()
    second = queue.pop()
    queue.put_back(second)
    queue.put_back(first)
    assert served(queue) == ["a", "c", "b", "d"]
    [alone] = line("x", "one")
    queue.add(alone)
    queue.put_back(queue.pop())
    assert (served(queue), len(queue)) == (["x"], 0)


def test_who_leaves_is_passed_over() -> None:
    waiters = line("abcd", "one")
    queue = queue_of(*waiters)
    assert queue.discard(waiters[1])
    assert not queue.discard(waiters[1])
    assert not queue.discard(Somebody("stranger", priority=Priority.LOW))
    assert len(queue) == 3
    assert served(queue) == ["a", "c", "d"]


def test_nobody_waits() -> None:
    queue = Queue()
    assert len(queue) == 0
    assert queue.sizes() == {}
    with pytest.raises(LookupError):
        queue.pop()


def test_all_leave_at_once() -> None:
    queue = queue_of(*line("ab", "one"), *line("c", priority=Priority.HIGH))
    assert [repr(each) for each in queue.clear()] == ["c", "a", "b"]
    assert len(queue) == 0


WAITERS = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(list(Priority))).map(
        lambda made: Somebody(f"{made[0]}{made[1].word}", made[0], made[1])
    ),
    max_size=60,
)


@given(WAITERS, st.data())
@settings(deadline=None)
def test_the_order_told_is_the_order_served_whoever_leaves_before(waiters: list[Somebody], data: st.DataObject) -> None:
    queue = queue_of(*waiters, weights={"x": 3.0})
    for leaver in data.draw(st.lists(st.sampled_from(waiters), unique=True)) if waiters else ():
        queue.discard(leaver)
    for _ in range(data.draw(st.integers(0, len(queue)))):
        queue.pop()
    told = list(queue.order())
    assert [queue.pop() for _ in range(len(queue))] == told


@given(WAITERS)
@settings(deadline=None)
def test_everybody_is_served_once_in_order_within_key_and_class(waiters: list[Somebody]) -> None:
    queue = queue_of(*waiters)
    order = [queue.pop() for _ in range(len(queue))]
    assert Counter(order) == Counter(waiters)
    for each in waiters:
        alike = [other for other in waiters if (other.key_id, other.priority) == (each.key_id, each.priority)]
        assert [other for other in order if other in alike] == alike


@given(st.lists(st.sampled_from(["high", "low", "serve"]), max_size=300))
@settings(deadline=None)
def test_nobody_is_passed_over_for_ever(events: list[str]) -> None:
    queue, waits = Queue(), 0
    for event in events:
        if event == "serve" and len(queue):
            is_waiting = queue.sizes().get(Priority.LOW, 0) > 0
            waits = waits + 1 if queue.pop().priority is Priority.HIGH and is_waiting else 0
            assert waits <= STARVATION
        elif event != "serve":
            queue.add(Somebody(event, priority=Priority.HIGH if event == "high" else Priority.LOW))
