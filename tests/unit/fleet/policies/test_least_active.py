"""The least busy replica for its size is taken, and equals take turns."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from remuda.fleet.policies.least_active import least_active
from tests.unit.fleet.samples import replica

sizes = st.tuples(st.integers(1, 8), st.integers(0, 7)).filter(lambda size: size[1] < size[0])


def test_equals_take_turns():
    candidates = [replica(name) for name in "abc"]
    assert Counter(least_active(candidates, turn).id for turn in range(9)) == {"a/m": 3, "b/m": 3, "c/m": 3}


def test_a_large_server_gets_more_than_a_small_one():
    small, large = replica("small", slots=2, in_use=1), replica("large", slots=32, in_use=8)
    assert least_active([small, large], 0) is large


@given(st.lists(sizes, min_size=1, max_size=6), st.integers(0, 100))
def test_nobody_is_less_busy_than_the_one_taken(loads: list[tuple[int, int]], turn: int):
    candidates = [replica(str(i), slots=total, in_use=used) for i, (total, used) in enumerate(loads)]
    taken = least_active(candidates, turn).slots
    assert all(taken.in_use * other.slots.total <= other.slots.in_use * taken.total for other in candidates)
