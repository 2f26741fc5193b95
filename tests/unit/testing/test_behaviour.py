"""Behaviour: what may be set, and which requests a fault strikes."""

import msgspec
import pytest

from remuda.testing.behaviour import Behaviour, Fault, Strikes


def struck(behaviour: Behaviour, requests: int, *, reused: bool = False) -> list[int]:
    strikes = Strikes()
    return [i for i in range(1, requests + 1) if strikes.next(behaviour, reused=reused) is not Fault.NONE]


def test_a_fault_strikes_always_every_nth_time_or_so_many_times() -> None:
    assert struck(Behaviour(), 3) == []
    assert struck(Behaviour(fault=Fault.HANG), 3) == [1, 2, 3]
    assert struck(Behaviour(fault=Fault.HANG, every=3), 7) == [3, 6]
    assert struck(Behaviour(fault=Fault.HANG, times=2), 7) == [1, 2]
    assert struck(Behaviour(fault=Fault.HANG, every=2, times=1), 7) == [2]


def test_a_fault_of_stale_connections_spares_fresh_ones() -> None:
    behaviour = Behaviour(fault=Fault.DROP_BEFORE_HEAD, reused_only=True)
    assert struck(behaviour, 2) == []
    assert struck(behaviour, 2, reused=True) == [1, 2]


@pytest.mark.parametrize("change", [{"falt": "hang"}, {"fault": "tired"}, {"tokens": "many"}])
def test_unknown_words_and_wrong_types_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        Behaviour().changed(change)


def test_a_change_leaves_the_rest_and_the_original_alone() -> None:
    behaviour = Behaviour(tokens=3)
    changed = behaviour.changed({"fault": "stall", "interim": [103]})
    assert (changed.tokens, changed.fault, changed.interim) == (3, Fault.STALL, (103,))
    assert behaviour.fault is Fault.NONE
