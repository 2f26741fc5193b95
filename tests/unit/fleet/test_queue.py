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

    def __init__(self, name: str, key: str = "", priority: Priority = Priority.NORMAL, weight: float = 1.0) -> None:
        self.name, self.key_id, self.priority, self.weight, self.entered = name, key, priority, weight, 0.0
        self.wants = ()

    def wake(self) -> bool | None:
        return True

    def fail(self, fault: Fault) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name


def queue_of(*waiters: Somebody) -> Queue:
    queue = Queue()
    for waiter in waiters:
        queue.add(waiter)
    return queue


def served(queue: Queue, n: int | None = None) -> list[str]:
    return [repr(queue.pop()) for _ in range(len(queue) if n is None else n)]


def line(names: str, key: str = "", priority: Priority = Priority.NORMAL, weight: float = 1.0) -> list[Somebody]:
    return [Somebody(name, key, priority, weight) for name in names]


def test_first_come_first_served_within_a_key() -> None:
    assert served(queue_of(*line("abc"))) == ["a", "b", "c"]


def test_keys_take_turns_however_many_each_has_waiting() -> None:
    queue = queue_of(*line("aaaaaa", "one"), *line("bb", "two"), *line("c", "three"))
    assert served(queue) == ["a", "b", "c", "a", "b", "a", "a", "a", "a"]


def test_a_heavier_key_gets_more_turns() -> None:
    queue = queue_of(*line("a" * 30, "one"), *line("b" * 30, "two", weight=2.0))
    assert [each.name for each in queue.order() if isinstance(each, Somebody)][:30].count("b") == 20
    first = queue.pop()
    queue.put_back(first)
    assert Counter(served(queue, 30)) == {"a": 10, "b": 20}


def test_nobody_saves_up_turns() -> None:
    queue = queue_of(*line("a" * 12, "one"))
    served(queue, 8)
    for each in line("bbbb", "two"):
        queue.add(each)
    assert Counter(served(queue, 4)) == {"a": 2, "b": 2}, "the second was not there before: it has nothing to catch up"


@pytest.mark.parametrize("weight", [1.0, 0.25, 4.0])
def test_who_has_one_waiting_at_a_time_gets_its_share_and_no_more(weight: float) -> None:
    queue = queue_of(*line("a" * 100, "one"), *line("c" * 100, "two"), *line("b", "three", weight=weight))
    got: list[str] = []
    for _ in range(100):
        got += served(queue, 1)
        if got[-1] == "b":
            [queue.add(each) for each in line("b", "three", weight=weight)]
    counts = Counter(got)
    # One that is sent only after the one before cannot have several turns in a row, so a heavy key's share is bounded.
    assert abs(counts["b"] - 100 * min(weight / (weight + 2), 2 / 3)) <= 4
    assert abs(counts["a"] - counts["c"]) <= 1


def test_who_leaves_and_comes_back_is_not_new() -> None:
    queue = queue_of(*line("aaaa", "one"), *line("bbbb", "two"))
    served(queue, 1)
    leavers = [each for each in queue.order() if each.key_id == "one"]
    for each in leavers:
        queue.discard(each)
    for each in leavers:
        queue.add(each)
    assert served(queue, 3) == ["b", "a", "b"]


def test_keys_that_were_served_are_forgotten_in_time() -> None:
    queue = queue_of(*line("a" * 1100, "one"))
    for number in range(1000):
        queue.add(Somebody("x", f"key{number}"))
        served(queue, 2)
    [one_class] = queue._classes.values()
    assert len(one_class._passes) < 50
    assert len(one_class._heap) < 50
    while len(queue):
        queue.pop()
    assert not one_class._passes


def test_places_are_told_anew_when_something_has_changed() -> None:
    waiters = line("abc", "one")
    queue = queue_of(*waiters)
    assert queue.places() is queue.places()
    assert list(queue.places().values()) == [1, 2, 3]
    first = queue.pop()
    assert first not in queue.places()
    queue.put_back(first)
    assert queue.places()[first] == 1
    queue.discard(first)
    assert queue.places()[waiters[2]] == 2
    queue.add(first)
    assert queue.places()[first] == 3
    queue.clear()
    assert queue.places() == {}


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


def test_a_turn_taken_before_its_time_is_paid_for() -> None:
    of_one, of_two = line("abc", "one"), line("defg", "two")
    queue = queue_of(*of_one, *of_two)
    for each in of_two[1:3]:
        queue.take(each)
    queue.take(Somebody("stranger"))
    assert [repr(each) for each in queue.order()] == ["a", "b", "d", "c", "g"]
    assert (served(queue, 3), len(queue)) == (["a", "b", "d"], 2)
    for each in (of_one[2], of_two[3]):
        queue.take(each)
    for each in (*line("h", "two"), *line("i", "one")):
        queue.add(each)
    assert served(queue) == ["h", "i"], "nobody waited any more, so nobody was before or behind another"


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
        lambda made: Somebody(f"{made[0]}{made[1].word}", made[0], made[1], 3.0 if made[0] == "x" else 1.0)
    ),
    max_size=60,
)


@given(WAITERS, st.data())
@settings(deadline=None)
def test_the_order_told_is_the_order_served_whoever_leaves_before(waiters: list[Somebody], data: st.DataObject) -> None:
    queue = queue_of(*waiters)
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


@given(
    st.dictionaries(st.sampled_from("xyz"), st.sampled_from([0.5, 1.0, 2.0])),
    st.lists(st.sampled_from(["x", "y", "z", "serve", "leave", *["serve again"] * 8]), min_size=60, max_size=150),
)
@settings(deadline=None, max_examples=50)
def test_no_key_waits_longer_than_its_share_allows(weights: dict[str, float], events: list[str]) -> None:
    """Whoever comes, comes back at once, or leaves: between two turns of a key that waits all the time, each other one
    has at most as many turns as the weights say, and two more."""
    queue = Queue()
    since: dict[str, Counter[str]] = {}
    for event in events:
        if event in "xyz":
            queue.add(Somebody(event, event, weight=weights.get(event, 1.0)))
        elif event == "leave" and len(queue):
            queue.discard(list(queue.order())[-1])
        elif len(queue):
            key = queue.pop().key_id
            for waiting in since.values():
                waiting[key] += 1
            since.pop(key, None)
            if event == "serve again":
                queue.add(Somebody(key, key, weight=weights.get(key, 1.0)))
        waiting_keys = {each.key_id for each in queue.order()}
        since = {key: since.get(key, Counter()) for key in waiting_keys}
        for key, others in since.items():
            for other, turns in others.items():
                assert turns <= weights.get(other, 1.0) / weights.get(key, 1.0) + 2


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
