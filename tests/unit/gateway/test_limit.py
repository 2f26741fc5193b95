"""A permit can be had, entered and left; limits themselves come later."""

from remuda.core.ask import Ask, Operation
from remuda.core.keys import LOCAL_CALLER
from remuda.gateway.limit import UNLIMITED, grant


def test_every_caller_is_granted():
    with grant(LOCAL_CALLER, Ask(Operation.CHAT, "m", False, False, 1, b"{}")) as permit:
        assert permit is UNLIMITED
