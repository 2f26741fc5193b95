"""A permit can be had, entered and left; limits themselves come later."""

import pytest

from remuda.core.ask import Ask, Operation
from remuda.core.faults import Forbidden, InvalidRequest
from remuda.core.keys import LOCAL_CALLER, Caller, Scope
from remuda.gateway.limit import UNLIMITED, grant

ASK = Ask(Operation.CHAT, "m", False, False, 1, b"{}")
USER = Caller("key_1", "user", frozenset({Scope.INFERENCE, Scope.READ}))


def test_every_caller_is_granted():
    with grant(LOCAL_CALLER, ASK, {}) as permit:
        assert permit is UNLIMITED


def test_anybody_may_step_back_and_few_may_step_forward():
    for word in (b"normal", b"low", b" Background "):
        assert grant(USER, ASK, {b"x-remuda-priority": word}) is UNLIMITED
    assert grant(LOCAL_CALLER, ASK, {b"x-remuda-priority": b"high"}) is UNLIMITED
    with pytest.raises(Forbidden, match="needs the scope manage"):
        grant(USER, ASK, {b"x-remuda-priority": b"high"})


def test_a_priority_that_is_none_is_refused():
    with pytest.raises(InvalidRequest) as caught:
        grant(USER, ASK, {b"x-remuda-priority": b"urgent"})
    assert (caught.value.received, caught.value.expected) == ("urgent", "high, normal, low, background")
