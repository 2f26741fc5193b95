"""What stands behind no queue, and whose tasks a caller sees."""

import pytest

from remuda.core.faults import Unavailable
from remuda.core.keys import LOCAL_CALLER, Caller, Scope
from remuda.dialects.kit.access import Policy
from remuda.dialects.tasks.routes import RULES, TaskRoutes, _whose


def test_an_admin_sees_all_and_a_key_its_own():
    assert _whose(LOCAL_CALLER) is None
    assert _whose(Caller("k", "k", frozenset({Scope.INFERENCE, Scope.READ, Scope.MANAGE}))) == "k"


def test_without_a_queue_nothing_is_answered():
    with pytest.raises(Unavailable):
        _ = TaskRoutes()._queue


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/generate"),
        ("GET", "/status/x"),
        ("GET", "/result/x"),
        ("GET", "/stream/x"),
        ("GET", "/tasks"),
        ("DELETE", "/tasks/x"),
        ("POST", "/tasks/x/retry"),
    ],
)
def test_all_of_it_is_for_keys_that_may_ask(method: str, path: str):
    need = Policy(RULES).need(method, path)
    assert need.scope is Scope.INFERENCE
    assert need.takes_query_key == path.startswith("/stream")
