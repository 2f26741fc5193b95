import pytest

from remuda.fleet.replica import ReplicaState, Slots
from tests.unit.fleet.policies.test_least_active import replica


def test_slots() -> None:
    slots = Slots(3)
    slots.in_use = 2
    assert slots.free == 1
    with pytest.raises(ValueError, match="at least one slot"):
        Slots(0)


def test_only_active_replicas_are_routable() -> None:
    one = replica("one", 0, 1)
    assert one.is_routable
    for state in (ReplicaState.STANDBY, ReplicaState.DRAINING):
        one.state = state
        assert not one.is_routable
    assert "one" in repr(one)
