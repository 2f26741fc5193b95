"""Whose fault it was, who is told, and whether another replica is tried."""

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, cast

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import (
    ClientGone,
    EngineDown,
    Fault,
    LoopDetected,
    NotOffered,
    RateLimited,
    ShuttingDown,
    StreamCut,
    Unavailable,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamSilent,
)
from remuda.engines.openai.adapter import OpenAILike
from remuda.fleet.breaker import BreakerRules
from remuda.fleet.breakers import Breakers, Mark
from remuda.fleet.registry import Fleet, Model, Served
from remuda.fleet.replica import Replica, ReplicaState
from remuda.gateway.attempts import MAX_PAUSE_S, PAUSE_S, Attempts
from remuda.gateway.exchange import Exchange, Setback
from remuda.gateway.retry_budget import FLOOR, RetryBudget
from remuda.gateway.tried import Tried
from tests.unit.fleet.samples import replica


class Stand:
    """Two replicas; each failure opens a breaker."""

    def __init__(self) -> None:
        self.now = 0.0
        self.fleet = Fleet()
        self.one, self.two = replica("one"), replica("two")
        self.fleet.apply(Served("s", (self.one, self.two)))
        self.breakers = Breakers(self.fleet, BreakerRules(failures=1), lambda: self.now)
        self.budget = RetryBudget(0, lambda: self.now)
        self.attempts = Attempts(self.breakers, self.budget, max_attempts=3, patience_s=60.0)
        self.setback: Setback | None = None
        found = self.fleet.look_up("m")
        assert found is not None
        self.model: Model = found

    def ended(
        self, error: BaseException, *, mark: Mark | None = None, tried: Collection[Replica] | None = None, **state: Any
    ) -> bool:
        exchange = SimpleNamespace(
            **{
                "id": "asked",
                "interruption": None,
                "head_sent": False,
                "is_kept_alive": False,
                "disconnected": False,
                "attempts": 1,
                "queue_wait_s": 0.0,
                "setback": None,
            }
            | state
        )
        goes_on = self.attempts.go_on(
            error,
            cast(Exchange, exchange),
            self.one,
            mark,
            self.model,
            Tried(tried if tried is not None else (self.one,)),
            1,
        )
        self.setback = exchange.setback
        return goes_on


CANCELLED = asyncio.CancelledError()


@pytest.mark.parametrize(
    ("error", "interruption", "is_blamed"),
    [
        (UpstreamFailed(), None, True),
        (StreamCut(), None, True),
        (Unavailable(), None, True),
        (EngineDown(), None, True),
        (CANCELLED, UpstreamSilent(), True),
        (CANCELLED, StreamCut(), True),
        (CANCELLED, ClientGone(), False),
        (CANCELLED, ShuttingDown(), False),
        (CANCELLED, None, False),
        (UpstreamRefused(status=400), None, False),
        (RateLimited(), None, False),
        (LoopDetected(), None, False),
        (ValueError(), None, False),
    ],
)
def test_who_is_blamed(error: BaseException, interruption: Fault | None, is_blamed: bool):
    stand = Stand()
    stand.ended(error, interruption=interruption)
    assert stand.one.is_routable is not is_blamed
    assert stand.two.is_routable


@pytest.mark.parametrize(
    ("error", "slots"),
    [(UpstreamRefused(status=400), 1), (RateLimited(), 1), (CANCELLED, 0), (ValueError(), 0), (UpstreamFailed(), 0)],
)
def test_what_a_trial_tells(error: BaseException, slots: int):
    stand = Stand()
    stand.ended(UpstreamFailed())
    stand.now = 1
    stand.breakers.tick()
    stand.ended(error, mark=stand.breakers.begun(stand.one))
    assert stand.one.hold is not None
    assert stand.one.hold.total == slots


@pytest.mark.parametrize(
    ("error", "state", "goes_on"),
    [
        (UpstreamFailed(), {}, True),
        (Unavailable(), {}, True),
        (UpstreamFailed(), {"head_sent": True}, False),
        (UpstreamFailed(), {"head_sent": True, "is_kept_alive": True}, True),
        (RateLimited(), {}, True),
        (UpstreamFailed(), {"attempts": 3}, False),
        (UpstreamRefused(status=400), {}, False),
        (CANCELLED, {"interruption": UpstreamSilent()}, True),
        (CANCELLED, {"interruption": StreamCut()}, True),
        (CANCELLED, {"interruption": UpstreamSilent(), "disconnected": True}, False),
        (CANCELLED, {"interruption": UpstreamSilent(), "attempts": 3}, False),
        (CANCELLED, {"interruption": ShuttingDown()}, False),
        (CANCELLED, {"interruption": ClientGone()}, False),
        (CANCELLED, {"interruption": StreamCut(), "head_sent": True}, False),
        (ValueError(), {}, False),
    ],
)
def test_whether_another_is_tried(error: BaseException, state: dict[str, Any], goes_on: bool):
    assert Stand().ended(error, **state) is goes_on


def test_none_is_tried_twice_nor_one_that_is_drained():
    stand = Stand()
    assert not stand.ended(UpstreamFailed(), tried=(stand.one, stand.two))
    stand.two.state = ReplicaState.DRAINING
    assert not stand.ended(UpstreamFailed())


def test_one_that_has_recovered_is_tried_once_more():
    stand = Stand()
    tried = Tried((stand.two,), stand.one)
    stand.two.slots.recoveries += 1
    assert stand.ended(UpstreamFailed(), tried=tried)
    assert not stand.ended(UpstreamFailed(), tried=tried, attempts=3)
    assert not stand.ended(UpstreamFailed(), tried=Tried(tried, stand.two))


def test_who_went_back_to_one_that_had_recovered_still_has_its_other_tries():
    stand = Stand()
    third = replica("three")
    stand.fleet.apply(Served("t", (third,)))
    tried = Tried((), stand.two, stand.one)
    stand.one.slots.recoveries += 1
    assert stand.ended(UpstreamFailed(), tried=Tried(tried, stand.one), attempts=3)
    assert not stand.ended(UpstreamFailed(), tried=Tried(tried, third), attempts=3)
    assert not stand.ended(UpstreamFailed(), tried=Tried(tried, stand.one, third), attempts=4)


def test_one_that_is_held_back_or_on_standby_is_waited_for():
    stand = Stand()
    stand.breakers.failed(stand.two, None)
    assert stand.ended(UpstreamFailed())
    stand = Stand()
    stand.two.state = ReplicaState.STANDBY
    assert stand.ended(UpstreamFailed())


def test_a_server_with_too_much_to_do_is_not_blamed_and_another_is_tried():
    stand = Stand()
    assert stand.ended(RateLimited())
    assert stand.one.is_routable
    assert not stand.ended(RateLimited(), tried=(stand.one, stand.two))


def test_a_retry_has_to_be_within_the_budget():
    stand = Stand()
    assert [stand.ended(UpstreamFailed()) for _ in range(FLOOR + 1)] == [True] * FLOOR + [False]
    assert stand.budget.refused == 1


def test_what_could_not_be_retried_takes_nothing_from_the_budget():
    stand = Stand()
    stand.ended(UpstreamFailed(), head_sent=True)
    stand.ended(ValueError())
    assert (stand.budget.taken, stand.budget.refused) == (0, 0)


@pytest.mark.parametrize(
    ("state", "may"), [({}, True), ({"attempts": 2}, True), ({"attempts": 3}, False), ({"disconnected": True}, False)]
)
def test_whether_one_may_go_on_with_a_stream(state: dict[str, Any], may: bool):
    exchange = SimpleNamespace(**{"attempts": 1, "disconnected": False} | state)
    assert Stand().attempts.may_continue(cast(Exchange, exchange), 1) is may


def test_streams_that_go_on_take_from_the_budget_of_all_tries():
    stand = Stand()
    exchange = cast(Exchange, SimpleNamespace(attempts=1, disconnected=False))
    assert [stand.attempts.may_continue(exchange, 0) for _ in range(FLOOR + 1)] == [True] * FLOOR + [False]
    assert (stand.budget.taken, stand.budget.refused) == (FLOOR, 1)


def nobody_there() -> UpstreamFailed:
    fault = UpstreamFailed("cannot be reached")
    fault.is_unsent = True
    return fault


def too_busy(retry_after_s: int) -> RateLimited:
    fault = RateLimited(retry_after_s=retry_after_s)
    fault.is_dated = True
    return fault


def test_a_server_that_is_not_there_is_waited_for_longer_each_time():
    stand = Stand()
    fault = nobody_there()
    both = (stand.two, stand.one)
    assert stand.ended(fault, tried=both)
    assert stand.setback == Setback(fault, PAUSE_S, 1)
    assert stand.ended(fault, tried=(*both, stand.one), setback=stand.setback)
    assert stand.setback == Setback(fault, 2 * PAUSE_S, 2)
    assert stand.ended(fault, tried=(stand.two, *[stand.one] * 50), attempts=50, setback=stand.setback)
    assert stand.setback == Setback(fault, MAX_PAUSE_S, 3)
    assert (stand.budget.taken, stand.budget.refused) == (0, 0), "it was asked nothing"
    assert not stand.ended(fault, tried=both, head_sent=True)
    assert not stand.ended(fault, tried=both, disconnected=True)


def test_where_another_may_be_asked_at_once_it_is():
    stand = Stand()
    assert stand.ended(nobody_there())
    assert stand.setback is not None
    assert (stand.setback.rest_s, stand.budget.taken) == (None, 1)
    assert not stand.ended(nobody_there(), attempts=4), "as many are asked as settings say"
    stand.two.state = ReplicaState.STANDBY
    assert stand.ended(nobody_there(), attempts=4)
    assert stand.setback == Setback(stand.setback.fault, PAUSE_S, 1), "whichever of the two is back first"


def test_who_was_not_there_does_not_count_as_tried():
    stand = Stand()
    setback = Setback(nobody_there(), 1.0, 5)
    assert stand.ended(UpstreamFailed(), attempts=7, setback=setback)
    assert not stand.ended(UpstreamFailed(), attempts=8, setback=setback)


@pytest.mark.parametrize(
    ("retry_after_s", "waited_s", "rest_s"), [(7, 0.0, 7.0), (60, 0.0, 60.0), (61, 0.0, None), (7, 55.0, None)]
)
def test_a_server_with_too_much_to_do_is_asked_again_when_it_says_so(
    retry_after_s: int, waited_s: float, rest_s: float | None
):
    stand = Stand()
    both = (stand.two, stand.one)
    assert stand.ended(too_busy(retry_after_s), tried=both, queue_wait_s=waited_s) is (rest_s is not None)
    if rest_s is not None:
        assert stand.setback is not None
        assert (stand.setback.rest_s, stand.setback.unsent, stand.budget.taken) == (rest_s, 0, 1)
        assert not stand.ended(too_busy(retry_after_s), tried=both, attempts=3), "no more often than settings say"
    assert not stand.ended(RateLimited(retry_after_s=1), tried=both), "it has not said so itself"


@pytest.mark.parametrize("fault", [StreamCut(), UpstreamFailed()])
def test_the_successor_of_an_engine_that_crashed_is_waited_for_once(fault: UpstreamFailed):
    stand = Stand()
    stand.fleet.apply(Served("s", (stand.one,)))
    fault.is_hang_up = True
    assert not stand.ended(fault), "nobody starts a server elsewhere again"
    stand.one.is_restarted = True
    assert stand.ended(fault)
    assert stand.setback == Setback(fault, PAUSE_S, 0)
    assert not stand.ended(fault, attempts=2, setback=stand.setback), "it may be the cause"
    assert not stand.ended(CANCELLED, interruption=fault), "it was silent, and we hung up"
    fault.is_hang_up = False
    assert not stand.ended(fault), "it has answered, only not well"


@pytest.mark.parametrize(
    ("operation", "counts", "attempts", "goes_on"),
    [
        (Operation.COUNT_TOKENS, True, 1, True),
        (Operation.COUNT_TOKENS, True, 3, False),
        (Operation.COUNT_TOKENS, False, 1, False),
        (Operation.CHAT, False, 1, True),
        (Operation.CHAT, False, 3, False),
    ],
)
def test_what_one_does_not_offer_is_asked_of_another(operation: Operation, counts: bool, attempts: int, goes_on: bool):
    stand = Stand()
    stand.two.engine = OpenAILike(counts_tokens=counts)
    refused = NotOffered()
    asked = SimpleNamespace(operation=operation)
    assert stand.ended(refused, route=asked, attempts=attempts) is goes_on
    assert stand.setback == (Setback(refused, None, 0) if goes_on else None)
    assert not stand.ended(refused, route=asked, tried=(stand.one, stand.two)), "each is asked once"
    assert not stand.ended(refused, route=asked, head_sent=True), "something was said already"
    assert not stand.ended(refused, route=asked, disconnected=True), "nobody waits for it"


def test_a_request_that_came_round_by_one_server_goes_by_another_and_not_for_ever():
    stand = Stand()
    assert stand.ended(LoopDetected())
    assert stand.setback is not None
    assert (stand.setback.fault.code, stand.setback.rest_s) == ("loop_detected", None)
    assert not stand.ended(LoopDetected(), attempts=3), "it has been tried as often as it may"
    assert not stand.ended(LoopDetected(), tried=(stand.two, stand.one)), "there is no other"
    stand.two.state = ReplicaState.STANDBY
    assert not stand.ended(LoopDetected()), "the other is not there"


def test_going_another_way_counts_as_a_retry():
    stand = Stand()
    for _ in range(FLOOR):
        assert stand.ended(LoopDetected())
    assert not stand.ended(LoopDetected()), "the budget is used up"
