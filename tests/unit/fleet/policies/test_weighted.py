from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.fleet.policies.weighted import weighted
from remuda.fleet.replica import Replica
from tests.unit.fleet.samples import replica


def herd(weights: list[int]) -> list[Replica]:
    return [replica(str(number), weight=weight) for number, weight in enumerate(weights)]


@pytest.mark.parametrize(
    ("weights", "chosen"),
    [
        ([1], "0000"),
        ([7], "0000"),
        ([1, 1], "010101"),
        ([100, 100], "010101"),
        ([2, 1], "010010"),
        ([4, 2], "010010"),  # what weights have in common changes nothing
        ([3, 1], "00100010"),
        ([1, 1, 1], "012012"),
        ([5, 1, 1], "00012000001200"),
        ([1, 1000], "1111"),
    ],
)
def test_weighted(weights: list[int], chosen: str) -> None:
    candidates = herd(weights)
    assert "".join(str(candidates.index(weighted(candidates, turn))) for turn in range(len(chosen))) == chosen


@given(weights=st.lists(st.integers(1, 100), min_size=1, max_size=12), start=st.integers(0, 10**9))
def test_each_gets_its_weight_in_every_round(weights: list[int], start: int) -> None:
    candidates = herd(weights)
    taken = Counter(candidates.index(weighted(candidates, start + turn)) for turn in range(sum(weights)))
    assert taken == dict(enumerate(weights))


@given(weights=st.lists(st.integers(1, 100), min_size=2, max_size=12))
def test_turns_are_spread_over_the_round(weights: list[int]) -> None:
    candidates = herd(weights)
    taken: Counter[int] = Counter()
    for turn in range(sum(weights)):
        taken[candidates.index(weighted(candidates, turn))] += 1
        for number, weight in enumerate(weights):
            assert abs(taken[number] - (turn + 1) * weight / sum(weights)) < 2
