"""Slots and states of replicas."""

import pytest

from remuda.fleet.replica import ReplicaState, Slots
from tests.unit.fleet.samples import replica


def test_what_is_not_taken_is_free():
    slots = Slots(4)
    slots.in_use = 3
    assert slots.free == 1


def test_a_server_without_slots_makes_no_sense():
    with pytest.raises(ValueError, match="at least one slot"):
        Slots(0)


@pytest.mark.parametrize("state", ReplicaState)
def test_only_an_active_one_is_chosen(state: ReplicaState):
    assert replica(state=state).is_routable is (state is ReplicaState.ACTIVE)


def test_what_is_shown_holds_no_secret():
    one = replica(in_use=1)
    one.headers = ((b"Authorization", b"Bearer secret"),)
    assert repr(one) == "Replica('one/m', active, 1/4)"
