"""Who may go on for a replica that has broken off; that it does is shown by tests/acceptance/test_continuation.py."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from remuda.core.faults import ClientGone, Fault, StreamCut, UpstreamFailed
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.fleet.registry import Fleet, Model, Served
from remuda.fleet.replica import Replica, ReplicaState
from remuda.gateway.continue_ import Continuations, Unfit, broken_stream, may_come
from remuda.gateway.relay import Gathered
from remuda.gateway.splice import Splice
from tests.unit.fleet.samples import replica


def model_of(*replicas: Replica) -> Model:
    fleet = Fleet()
    fleet.apply(Served("s", replicas, offered=("m",)))
    model = fleet.look_up("m")
    assert model is not None
    return model


def named(name: str, upstream_model: str) -> Replica:
    other = replica(name)
    other.upstream_model = upstream_model
    return other


def of_llamacpp(name: str) -> Replica:
    other = replica(name)
    other.engine = LlamaCpp()
    return other


def test_one_goes_on_that_has_the_same_model_on_the_same_kind_of_engine():
    first, twin, failed = replica("first"), replica("twin"), replica("failed")
    unfit = Unfit(first, [first])
    unfit.add(failed)
    assert twin not in unfit
    assert first in unfit
    assert failed in unfit
    assert named("renamed", "m-q4") in unfit
    assert of_llamacpp("other") in unfit
    assert set(unfit) == {first, failed}
    assert len(unfit) == 2


def test_one_that_has_recovered_may_go_on_once():
    first = replica("first")
    unfit = Unfit(first, [first])
    first.slots.recoveries += 1
    assert first not in unfit
    unfit.add(first)
    first.slots.recoveries += 1
    assert first in unfit


def test_who_is_busy_or_away_may_come_and_who_is_drained_may_not():
    first = replica("first")
    unfit = Unfit(first, [first])
    assert may_come(model_of(first, replica("busy", slots=1, in_use=1)), first, unfit)
    assert may_come(model_of(first, replica("away", state=ReplicaState.STANDBY)), first, unfit)
    assert not may_come(model_of(first, replica("drained", state=ReplicaState.DRAINING)), first, unfit)
    assert not may_come(model_of(first, named("other", "m-q4")), first, unfit)
    assert not may_come(model_of(first), first, unfit)


def test_an_engine_that_is_started_again_is_waited_for():
    first = replica("first")
    first.is_restarted = True
    assert may_come(model_of(first), first, Unfit(first, [first]))
    assert may_come(model_of(), first, Unfit(first, [first]))


def test_it_is_waited_for_once():
    first, again, third = (replica("first") for _ in range(3))
    first.is_restarted = True
    unfit = Unfit(first, [first])
    assert again not in unfit
    unfit.add(again)
    assert third in unfit
    assert not may_come(model_of(third), first, unfit)


class Kept:
    """As much of a stream that can be continued as is looked at."""

    can_continue = True

    def feed(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...
    def asks(self, answers: Any) -> None: ...


def passing(kind: type[Any] = Splice, *, kept: Any = None, saw_error: bool = False) -> Any:
    made = kind.__new__(kind)
    if kind is Splice:
        made._translator = kept
        made._scan = SimpleNamespace(saw_error=saw_error)
    return made


@pytest.mark.parametrize("interruption", [None, StreamCut("silent")])
def test_a_stream_that_was_kept_can_be_continued(interruption: Fault | None):
    cut = StreamCut()
    error = cut if interruption is None else asyncio.CancelledError()
    exchange = cast(Any, SimpleNamespace(interruption=interruption))
    first = replica("first")
    broken = broken_stream(error, exchange, first, passing(kept=Kept()))
    assert (broken.fault, broken.replica) == (interruption or cut, first)


@pytest.mark.parametrize(
    ("error", "interruption", "found"),
    [
        (StreamCut(), None, None),
        (StreamCut(), None, passing(Gathered)),
        (StreamCut(), None, passing(kept=None)),
        (StreamCut(), None, passing(kept=Kept(), saw_error=True)),
        (UpstreamFailed(), None, passing(kept=Kept())),
        (ValueError(), None, passing(kept=Kept())),
        (asyncio.CancelledError(), ClientGone(), passing(kept=Kept())),
    ],
)
def test_all_else_is_raised_as_it_was(error: BaseException, interruption: Fault | None, found: Any):
    with pytest.raises(type(error)) as caught:
        broken_stream(error, cast(Any, SimpleNamespace(interruption=interruption)), replica("first"), found)
    assert caught.value is error


def test_all_outcomes_are_counted_from_the_start():
    assert Continuations().counts == {"continued": 0, "failed": 0, "abandoned": 0}
