"""Who may work, and what stands behind nothing. How it goes is in `tests/unit/jobs/test_remote.py`."""

import pytest

from remuda.core.keys import Scope
from remuda.dialects.kit.access import Policy
from remuda.dialects.tasks.working import RULES


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/worker/run"), ("POST", "/api/worker/stop"), ("GET", "/api/worker/room")]
)
def test_working_takes_an_admin(method: str, path: str):
    need = Policy(RULES).need(method, path)
    assert (need.scope, need.also) == (Scope.ADMIN, None)
