import httpx

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway

CHAT = "/v1/chat/completions"
BODY = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}


async def test_a_whole_answer_passes_unchanged(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post(CHAT, json=BODY, headers={"X-Request-ID": "mine-1"})
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["finish_reason"] == "stop"
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["x-remuda-replica"] == "one/fake"
    assert float(answer.headers["x-remuda-overhead-ms"]) >= 0
    [seen] = upstream.seen
    assert seen.header("x-request-id") == "mine-1"
    [record] = await gateway.records()
    assert record.id == "mine-1"
    assert record.status == 200


async def test_a_stream_passes_unchanged(gateway: RunningGateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post(CHAT, json={**BODY, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")
    assert '"usage":{' not in answer.text
