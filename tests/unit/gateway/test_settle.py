"""Leases that were broken off; what becomes of their slots is told in `tests/acceptance/test_cancellation.py`."""

from typing import Any, cast

from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.gateway.route import Visit
from remuda.gateway.settle import Settler
from remuda.testing.clock import FakeClock
from tests.unit.fleet.test_registry import replica


async def test_what_took_no_slot_is_not_settled() -> None:
    one = replica("s/m")
    one.engine = LlamaCpp()
    nobody: Any = cast(Any, None)
    settler = Settler(nobody, FakeClock())
    with Visit(one) as visit:
        settler.settle(visit)
    assert one.slots.in_use == 0
    await settler.close()
