"""Document S3, rows 117, 118 and 123, with a real engine: whatever becomes of a proxied call, the log has it once."""

import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import RawClient, post

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine"), pytest.mark.asyncio(loop_scope="module")]

MODEL = "remuda-tiny"
PROXY = "/proxy/v1/chat/completions"
BODY: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell me a story about a llama."}],
    "temperature": 0.7,
    "max_tokens": 40,
}
LONG = {**BODY, "stream": True, "max_tokens": 900, "ignore_eos": True}
"""Far from through when something happens to it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[RunningGateway]:
    """With an engine of its own, whose broken streams are not continued."""
    with tempfile.TemporaryDirectory(prefix="rmd") as folder:
        values: dict[str, Any] = {"llamacpp": {"n_ctx": 1024}, "routing": {"continuation": False}}
        async with running_gateway(Path(folder), **values) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=60) as made:
        yield made


async def entry(gateway: RunningGateway, client: httpx.AsyncClient, request_id: str) -> dict[str, Any]:
    """The one entry of a request."""
    await gateway.at_rest()
    await gateway.records()  # has them written
    lines = (await client.get("/api/logs?limit=1000")).json()["logs"]
    [line] = [line for line in lines if line["request_id"] == request_id]
    found: dict[str, Any] = (await client.get(f"/api/logs/{line['id']}")).json()
    return found


def check_numbers(found: dict[str, Any]) -> None:
    """Whether the entry's numbers agree with each other."""
    start, end = (datetime.fromisoformat(found[name]) for name in ("start_time", "end_time"))
    assert abs((end - start).total_seconds() * 1000 - found["latency_ms"]) <= 1000
    assert found["total_tokens"] == found["prompt_tokens"] + found["completion_tokens"]
    seconds = found["latency_ms"] / 1000
    assert found["tokens_per_second"] == pytest.approx(found["completion_tokens"] / seconds, rel=0.01)
    if found["is_streaming"]:
        latency_ms = found["time_to_first_token_ms"]
    else:
        latency_ms = found["latency_ms"] * 100 / max(100, found["completion_tokens"])
    score = 0.6 * max(0, 1 - latency_ms / 2000) + 0.4 * min(1, found["tokens_per_second"] / 20)
    assert found["performance_score"] == pytest.approx(score, abs=0.001)


async def test_a_whole_answer(gateway: RunningGateway, client: httpx.AsyncClient) -> None:
    answer = await client.post(PROXY, json=BODY, headers={"X-Request-ID": "whole"})
    usage = answer.json()["usage"]
    found = await entry(gateway, client, "whole")
    check_numbers(found)
    assert (found["prompt_tokens"], found["completion_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert found["output_text"] == answer.json()["choices"][0]["message"]["content"]
    assert found["input_text"] == "Tell me a story about a llama."
    assert (found["model_name"], found["error_message"], found["tokens_estimated"]) == (MODEL, None, False)
    assert found["request_metadata"] == {"model": MODEL, "temperature": 0.7, "max_tokens": 40}


async def test_a_stream_of_multimodal_content(gateway: RunningGateway, client: httpx.AsyncClient) -> None:
    content = [{"type": "text", "text": "Tell me"}, {"type": "text", "text": "a story."}]
    body = {**BODY, "messages": [{"role": "user", "content": content}], "stream": True}
    answer = await client.post(PROXY, json=body, headers={"X-Request-ID": "stream"})
    chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    found = await entry(gateway, client, "stream")
    check_numbers(found)
    assert found["output_text"] == "".join(each["choices"][0]["delta"].get("content") or "" for each in chunks)
    assert (found["input_text"], found["is_streaming"]) == ("Tell me a story.", True)
    assert 0 < found["completion_tokens"] <= 40
    assert 0 < found["time_to_first_token_ms"] < found["latency_ms"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"messages": [{"role": "user", "content": "llama " * 3000}]}, 400), ({"model": "llama9"}, 404)],
    ids=["too long", "unknown"],
)
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_what_is_refused(
    gateway: RunningGateway, client: httpx.AsyncClient, changes: dict[str, Any], status: int, is_streamed: bool
) -> None:
    request_id = f"refused-{status}-{is_streamed}"
    body = {**BODY, **changes, "stream": is_streamed}
    answer = await client.post(PROXY, json=body, headers={"X-Request-ID": request_id})
    assert (answer.status_code, list(answer.json())) == (status, ["detail"])
    found = await entry(gateway, client, request_id)
    assert (found["status"], found["performance_score"], found["is_truncated"]) == (status, 0, False)
    assert found["error_message"]


async def begun(gateway: RunningGateway, client: RawClient, request_id: str) -> None:
    """A stream has begun to say something."""
    client.say(post(json.dumps(LONG).encode(), f"X-Request-ID: {request_id}", path=PROXY))
    await client.events(10)
    assert gateway.slots_in_use == 1


async def test_a_client_that_leaves(gateway: RunningGateway, client: httpx.AsyncClient) -> None:
    async with RawClient(gateway.port) as leaving:
        await begun(gateway, leaving, "left")
        leaving.leave()
    found = await entry(gateway, client, "left")
    assert (found["status"], found["error_message"], found["performance_score"]) == (499, "client_gone", 0)
    assert 0 < found["completion_tokens"] < 900
    assert found["output_text"]


async def test_a_stream_that_is_cut(gateway: RunningGateway, client: httpx.AsyncClient) -> None:
    async with RawClient(gateway.port) as reading:
        await begun(gateway, reading, "cut")
        process = gateway.remuda.local._entries[MODEL].process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        rest = await reading.reader.readuntil(b"0\r\n\r\n")
    assert b'"code":"stream_cut"' in rest
    assert b"[DONE]" not in rest
    found = await entry(gateway, client, "cut")
    assert (found["status"], found["error_message"], found["performance_score"]) == (200, "stream_cut", 0)
    assert (found["is_streaming"], found["tokens_estimated"]) == (True, True)
    assert found["completion_tokens"] > 0
    assert found["output_text"]
