"""`GET /api/health` of a whole gateway, as monitors and other balancers ask it."""

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.fixtures.process import RemudaProcess, fake_upstream, remuda_serve, run_remuda, until

pytestmark = pytest.mark.xdist_group("users")


def health(gateway: RemudaProcess) -> httpx.Response:
    return httpx.get(f"{gateway.url}/api/health", trust_env=False)


def test_a_gateway_is_as_well_as_the_servers_behind_it(tmp_path: Path) -> None:
    run_remuda("keys", "create", "--data", tmp_path)  # health is for everybody all the same
    quick = {"REMUDA_HEALTH__PROBE_EVERY_S": "0.1", "REMUDA_HEALTH__PROBE_AGAIN_S": "0.1"}
    with ExitStack() as life_of_upstream, ExitStack() as rest:
        upstream = life_of_upstream.enter_context(fake_upstream(models=("fake",)))
        gateway = rest.enter_context(remuda_serve(tmp_path, "--upstream", upstream.url, **quick))
        until(lambda: health(gateway).status_code == 200, "the upstream is known")
        well = health(gateway).json()
        assert well["status"] == "healthy"
        assert well["services"]["llama_server"] == {"status": "healthy", "models_loaded": 1}
        assert 0 < well["system"]["memory_usage"] <= 100
        life_of_upstream.close()
        until(lambda: health(gateway).status_code == 503, "the upstream is gone")
        ill = health(gateway).json()
        assert (ill["status"], ill["services"]["llama_server"]["status"]) == ("unhealthy", "unhealthy")
        assert ill["services"]["database"]["status"] == "healthy"
