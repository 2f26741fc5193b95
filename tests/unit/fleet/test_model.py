"""A model, as the fleet knows it."""

import pytest

from remuda.fleet.model import Model, first_servable
from remuda.fleet.replica import ReplicaState
from tests.unit.fleet.samples import replica

UP, AWAY = (replica("up"),), (replica("away", state=ReplicaState.STANDBY),)


@pytest.mark.parametrize(
    ("models", "first"),
    [
        ([Model("a", UP), Model("b", UP)], "a"),
        ([Model("a", AWAY), Model("b", UP)], "b"),
        ([Model("a"), Model("b", AWAY, is_offered=True)], "b"),
        ([Model("a"), Model("b")], "a"),
    ],
)
def test_the_first_that_can_be_served(models: list[Model], first: str) -> None:
    assert first_servable(models).name == first
