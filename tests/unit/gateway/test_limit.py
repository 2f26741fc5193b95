"""A permit can be had, entered and left, and gives back what was set aside for it."""

import contextlib

import pytest

from remuda.core.ask import Ask, Operation
from remuda.core.faults import BudgetExceeded, Forbidden, InvalidRequest
from remuda.core.keys import LOCAL_CALLER, Caller, Scope
from remuda.gateway.limit import UNLIMITED, Limiter

ASK = Ask(Operation.CHAT, "m", False, False, 1, b"{}")
USER = Caller("key_1", "user", frozenset({Scope.INFERENCE, Scope.READ}))


def test_every_caller_is_granted():
    with Limiter().grant(LOCAL_CALLER, ASK, {}) as permit:
        assert permit is UNLIMITED


def test_anybody_may_step_back_and_few_may_step_forward():
    for word in (b"normal", b"low", b" Background "):
        assert Limiter().grant(USER, ASK, {b"x-remuda-priority": word}) is UNLIMITED
    assert Limiter().grant(LOCAL_CALLER, ASK, {b"x-remuda-priority": b"high"}) is UNLIMITED
    with pytest.raises(Forbidden, match="needs the scope manage"):
        Limiter().grant(USER, ASK, {b"x-remuda-priority": b"high"})


def test_a_priority_that_is_none_is_refused():
    with pytest.raises(InvalidRequest) as caught:
        Limiter().grant(USER, ASK, {b"x-remuda-priority": b"urgent"})
    assert (caught.value.received, caught.value.expected) == ("urgent", "high, normal, low, background")


def test_what_is_set_aside_is_given_back_whatever_happens():
    held = []
    limiter = Limiter()

    def reserve(caller, ask):
        held.append((caller, ask))
        return held.clear

    limiter.reserve = reserve
    with contextlib.suppress(ValueError), limiter.grant(USER, ASK, {}):
        assert held == [(USER, ASK)]
        raise ValueError
    assert held == []


def test_where_there_is_nothing_to_set_aside_nothing_is_limited():
    limiter = Limiter()
    limiter.reserve = lambda caller, ask: None
    assert limiter.grant(USER, ASK, {}) is UNLIMITED


def test_who_may_use_no_more_is_refused():
    def refuse(caller, ask):
        raise BudgetExceeded

    limiter = Limiter()
    limiter.reserve = refuse
    with pytest.raises(BudgetExceeded):
        limiter.grant(USER, ASK, {})
