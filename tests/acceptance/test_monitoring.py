"""`/api/monitoring` of a running gateway."""

import aiohttp
import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway

BODY = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize("count", [3])
async def test_requests_are_told_now_and_in_the_history(
    gateway: RunningGateway, upstream: FakeUpstream, count: int
) -> None:
    async with aiohttp.ClientSession(gateway.url) as http:
        for _ in range(count):
            async with http.post("/v1/chat/completions", json=BODY) as answer:
                assert answer.status == 200
        await gateway.records()  # all that is over is in the journal now
        async with http.get("/api/monitoring") as answer:
            now = await answer.json()
        assert (now["requests"]["total"], now["requests"]["active"], now["models"]["active"]) == (count, 0, 1)
        async with http.get("/api/monitoring/history?hours=1&resolution=1h") as answer:
            history = await answer.json()
        assert history["summary"]["totalRequests"] == count
        assert history["summary"]["avgResponseTime"] > 0
        async with http.get("/api/monitoring/history?hours=1000", headers={"X-Request-ID": "mine"}) as answer:
            said = await answer.json()
        assert (answer.status, said["status"], said["error"]["requestId"]) == (400, 400, "mine")
