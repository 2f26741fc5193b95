import pytest

from remuda.fleet.policies.round_robin import round_robin
from tests.unit.fleet.samples import replica


@pytest.mark.parametrize(
    ("in_use", "turn", "chosen"),
    [
        ([0], 0, 0),
        ([0], 7, 0),
        ([0, 0], 0, 0),
        ([0, 0], 1, 1),
        ([0, 0], 2, 0),
        ([3, 0, 1], 3, 0),  # whatever they have to do
        ([3, 0, 1], 5, 2),
    ],
)
def test_round_robin(in_use: list[int], turn: int, chosen: int) -> None:
    candidates = [replica(str(number), in_use=taken) for number, taken in enumerate(in_use)]
    assert round_robin(candidates, turn) is candidates[chosen]
