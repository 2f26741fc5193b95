"""The header that names a class."""

from remuda.core.priority import Priority
from remuda.gateway.priority import HEADER, priority_in


def test_without_the_header_a_request_is_like_others() -> None:
    assert priority_in({}) is Priority.NORMAL
    assert priority_in({HEADER: b" LOW "}) is Priority.LOW
    assert priority_in({HEADER: b"\xff"}) is Priority.NORMAL
