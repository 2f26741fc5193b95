import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.address import parse_address
from remuda.engines.openai.adapter import OpenAILike
from remuda.fleet.policies.least_active import least_active
from remuda.fleet.replica import Replica, Slots


def replica(name: str, in_use: int, total: int) -> Replica:
    slots = Slots(total)
    slots.in_use = in_use
    address = parse_address("http://127.0.0.1:1/v1")
    return Replica(name, model="m", upstream_model="m", engine=OpenAILike(), address=address, slots=slots)


@pytest.mark.parametrize(
    ("loads", "turn", "chosen"),
    [
        ([(0, 1)], 0, 0),
        ([(3, 4)], 7, 0),
        ([(0, 4), (0, 4)], 0, 0),
        ([(0, 4), (0, 4)], 1, 1),
        ([(1, 4), (0, 4)], 0, 1),
        ([(1, 4), (0, 4)], 1, 1),
        ([(1, 2), (1, 8)], 0, 1),  # by share, not by number
        ([(3, 4), (5, 8)], 0, 1),
        ([(1, 4), (2, 8)], 0, 0),  # equal shares take turns
        ([(1, 4), (2, 8)], 1, 1),
        ([(1, 4), (2, 8), (3, 12)], 5, 2),
        ([(2, 4), (1, 4), (3, 4)], 2, 1),
        ([(1, 1000), (0, 1)], 0, 1),
    ],
)
def test_least_active(loads: list[tuple[int, int]], turn: int, chosen: int) -> None:
    candidates = [replica(str(number), *load) for number, load in enumerate(loads)]
    assert least_active(candidates, turn) is candidates[chosen]


@given(
    loads=st.lists(st.integers(1, 9).flatmap(lambda t: st.tuples(st.integers(0, t - 1), st.just(t))), min_size=1),
    turn=st.integers(0, 1000),
)
def test_nobody_has_less_to_do_than_the_chosen(loads: list[tuple[int, int]], turn: int) -> None:
    candidates = [replica(str(number), *load) for number, load in enumerate(loads)]
    best = least_active(candidates, turn)
    share = best.slots.in_use / best.slots.total
    assert all(share <= each.slots.in_use / each.slots.total for each in candidates)
