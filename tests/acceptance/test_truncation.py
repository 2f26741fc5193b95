"""An engine that takes less of a prompt than was sent, and says nothing: the record and a header do."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADER = "x-remuda-truncated"
LONG = "wordy " * 9000
"""More than the 4,096 tokens for which the fake Ollama says that it has room."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[RunningGateway, FakeUpstream]]:
    data_dir: Path = tmp_path_factory.mktemp("gateway")
    async with FakeUpstream(models=("fake",), speaks="ollama") as fake:
        fake.speech.loaded = ("fake",)
        upstreams = [{"url": fake.root, "kind": "ollama", "name": "one"}]
        async with running_gateway(data_dir, upstreams=upstreams) as gateway:
            fleet = gateway.remuda.fleet
            await gateway.until(
                lambda: (model := fleet.look_up("fake")) and model.context_length, "its context is known"
            )
            yield gateway, fake


@pytest.fixture
def gateway(running: tuple[RunningGateway, FakeUpstream]) -> RunningGateway:
    """In front of an Ollama that sees 4,000 words at most."""
    running[1].behave(context=4000)
    return running[0]


async def answered(gateway: RunningGateway, path: str, text: str, **fields: Any) -> tuple[httpx.Response, bool]:
    """The answer, and whether its record says that the prompt was cut."""
    request_id = f"r{id(fields)}"
    body = {"model": "fake", "messages": [{"role": "user", "content": text}], "prompt": text, **fields}
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=60) as client:
        answer = await client.post(path, json=body, headers={"X-Request-ID": request_id})
        assert answer.status_code == 200
        await gateway.at_rest()
        await gateway.records()
        line = (await client.get("/api/logs?limit=1")).json()["logs"][0]
    assert line["request_id"] == request_id
    return answer, line["is_truncated"]


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/proxy/v1/chat/completions", "/api/chat"])
async def test_what_was_cut_is_said(gateway: RunningGateway, path: str, is_streamed: bool) -> None:
    answer, is_truncated = await answered(gateway, path, LONG, stream=is_streamed)
    assert is_truncated
    assert answer.headers[HEADER] == "true"


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_what_fits_is_not(gateway: RunningGateway, is_streamed: bool) -> None:
    for text in ("Hello", "wordy " * 3900, "=" * 50_000):
        answer, is_truncated = await answered(gateway, "/v1/chat/completions", text, stream=is_streamed)
        assert not is_truncated
        assert HEADER not in answer.headers


async def test_what_shows_only_in_the_end_stands_in_the_record(
    gateway: RunningGateway, running: tuple[RunningGateway, FakeUpstream]
) -> None:
    running[1].behave(context=2048)
    text = "wordy " * 3500  # there is room for it, by what the server says
    answer, is_truncated = await answered(gateway, "/v1/chat/completions", text, stream=True)
    assert is_truncated
    assert HEADER not in answer.headers
    assert json.loads(answer.text.splitlines()[0].removeprefix("data: "))
    answer, is_truncated = await answered(gateway, "/v1/chat/completions", text)
    assert is_truncated
    assert answer.headers[HEADER] == "true"


async def test_a_context_of_the_clients_own_counts(
    gateway: RunningGateway, running: tuple[RunningGateway, FakeUpstream]
) -> None:
    running[1].behave(context=16_384)
    answer, is_truncated = await answered(gateway, "/api/chat", LONG, options={"num_ctx": 16_384})
    assert (is_truncated, HEADER in answer.headers) == (False, False)
    running[1].behave(context=512)
    answer, is_truncated = await answered(gateway, "/api/chat", "wordy " * 1000, options={"num_ctx": 512})
    assert (is_truncated, HEADER in answer.headers) == (True, True)
