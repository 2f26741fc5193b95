"""Metrics of a process that serves nothing else."""

import aiohttp
import pytest

from remuda.app.exits import CommandError, Exit
from remuda.app.metrics_listener import metrics_served
from remuda.core.hosts import Bind
from remuda.telemetry.metrics import Metrics

ANY = Bind("127.0.0.1", 0)


async def test_a_scrape_is_answered_and_nothing_else() -> None:
    metrics = Metrics("9.9", with_process=False)
    async with metrics_served(metrics, ANY) as bind, aiohttp.ClientSession(f"http://{bind}") as http:
        async with http.get("/metrics") as answer:
            assert answer.headers["Content-Type"] == metrics.content_type
            assert 'remuda_build_info{version="9.9"} 1.0' in await answer.text()
        for path in ("/", "/metrics/x"):
            async with http.get(path) as answer:
                assert answer.status == 404
        async with http.post("/metrics") as answer:
            assert answer.status == 405


async def test_a_port_that_is_taken() -> None:
    metrics = Metrics("1", with_process=False)
    async with metrics_served(metrics, ANY) as bind:
        with pytest.raises(CommandError) as refused:
            async with metrics_served(metrics, bind):
                pass
    assert refused.value.code == Exit.BIND
    assert f"cannot listen on {bind} for metrics" in str(refused.value)
