"""Whose fault it was, who is told, and whether another replica is tried."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from remuda.core.faults import (
    ClientGone,
    EngineDown,
    Fault,
    RateLimited,
    ShuttingDown,
    StreamCut,
    Unavailable,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamSilent,
)
from remuda.fleet.breaker import BreakerRules
from remuda.fleet.breakers import Breakers
from remuda.fleet.registry import Fleet, Model, Served
from remuda.fleet.replica import Replica, ReplicaState
from remuda.gateway.attempts import Attempts
from remuda.gateway.exchange import Exchange
from remuda.gateway.retry_budget import FLOOR, RetryBudget
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
        self.attempts = Attempts(self.breakers, self.budget, max_attempts=3)
        found = self.fleet.look_up("m")
        assert found is not None
        self.model: Model = found

    def ended(
        self, error: BaseException, *, mark: int = 0, tried: tuple[Replica, ...] | None = None, **state: Any
    ) -> bool:
        exchange = SimpleNamespace(
            **{
                "id": "asked",
                "interruption": None,
                "head_sent": False,
                "is_kept_alive": False,
                "disconnected": False,
                "attempts": 1,
            }
            | state
        )
        return self.attempts.go_on(
            error, cast(Exchange, exchange), self.one, mark, self.model, tried if tried is not None else (self.one,), 1
        )


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
    assert stand.one.slots.total == slots


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


def test_one_that_is_held_back_or_on_standby_is_waited_for():
    stand = Stand()
    stand.breakers.failed(stand.two, 0)
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
