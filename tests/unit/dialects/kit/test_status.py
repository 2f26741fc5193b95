"""One status for each fault."""

import remuda.app.asgi  # noqa: F401 - with it every fault there is has been imported
from remuda.core.faults import RateLimited, UpstreamRefused, all_faults
from remuda.dialects.kit.status import STATUS, status_of


def test_every_fault_has_a_status() -> None:
    assert set(STATUS) == {fault for fault in all_faults() if fault.__module__.startswith("remuda.")}
    assert status_of(RateLimited()) == 429
    assert status_of(UpstreamRefused(status=422)) == 422
