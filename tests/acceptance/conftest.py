import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that the gateway runs on outside tests."""
    if sys.platform == "win32":
        return {"asyncio": asyncio.new_event_loop}
    import uvloop

    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(models=("fake",)) as fake:
        yield fake


@pytest.fixture
async def gateway(upstream: FakeUpstream, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    """A gateway in front of one fake upstream with four slots."""
    upstreams = [{"url": upstream.url, "slots": 4, "name": "one"}]
    async with running_gateway(tmp_path, upstreams=upstreams) as running:
        await running.until(lambda: running.remuda.fleet.look_up("fake") is not None, "the model is known")
        yield running
        await running.at_rest()
