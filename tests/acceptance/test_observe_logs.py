"""Document S3, rows 117, 118, 123, 142, 143, 145: what comes by the proxy, and what the log tells of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from remuda.core.keys import Key, Scope, digest_of
from remuda.gateway.route import QueueLimits
from remuda.store.keys import create_key
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import RawClient, post
from tests.fixtures.shared import gateway, started, upstream  # noqa: F401 - fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROXY = "/proxy/v1/chat/completions"
CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {
    "model": "fake",
    "messages": [{"role": "user", "content": "Hello, how are you?"}],
    "temperature": 0.7,
    "max_tokens": 100,
}
REQUIRED = {
    "id", "model_name", "start_time", "end_time", "latency_ms", "prompt_tokens", "completion_tokens", "total_tokens",
    "tokens_per_second", "time_to_first_token_ms", "performance_score", "is_streaming", "temperature", "max_tokens",
    "request_metadata", "input_text", "output_text", "error_message",
}  # fmt: skip
"""The document's fields."""


@pytest_asyncio.fixture(loop_scope="module")
async def client(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:  # noqa: F811
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=60) as made:
        yield made


async def entry(gateway: RunningGateway, client: httpx.AsyncClient, request_id: str) -> dict[str, Any]:  # noqa: F811
    """The one entry of a request, as the log has it."""
    await gateway.at_rest()
    await gateway.records()  # has them written
    listed = (await client.get("/api/logs", params={"limit": 1000})).json()["logs"]
    [line] = [line for line in listed if line["request_id"] == request_id]
    found: dict[str, Any] = (await client.get(f"/api/logs/{line['id']}")).json()
    assert found.keys() >= REQUIRED
    assert line == {name: found[name] for name in line}
    return found


async def test_a_whole_answer_is_the_upstreams_own(
    gateway: RunningGateway,  # noqa: F811
    upstream: FakeUpstream,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    body = {**BODY, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0, "user": "ann", "other": [1]}
    answer = await client.post(PROXY, json=body, headers={"X-Request-ID": "whole"})
    direct = await client.post(CHAT, json=body)
    assert answer.status_code == 200
    assert {**answer.json(), "id": 0, "created": 0} == {**direct.json(), "id": 0, "created": 0}
    assert [json.loads(seen.body) for seen in upstream.seen] == [body, body]
    usage = answer.json()["usage"]
    found = await entry(gateway, client, "whole")
    assert found["id"] == int(found["id"])
    assert found["start_time"].endswith("Z")
    assert (found["prompt_tokens"], found["completion_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert found["total_tokens"] == usage["total_tokens"]
    assert (found["temperature"], found["max_tokens"], found["user"]) == (0.7, 100, "ann")
    assert found["request_metadata"] == {name: value for name, value in body.items() if name != "messages"}
    assert found["input_text"] == "Hello, how are you?"
    assert found["output_text"] == answer.json()["choices"][0]["message"]["content"]
    assert (found["error_message"], found["is_streaming"], found["status"]) == (None, False, 200)
    assert 0 < found["performance_score"] <= 1
    assert (found["dialect"], found["replica"], found["tokens_estimated"]) == ("observe", "one/fake", False)


async def test_a_stream(gateway: RunningGateway, client: httpx.AsyncClient) -> None:  # noqa: F811
    body = {**BODY, "messages": [{"role": "user", "content": [{"type": "text", "text": "Look"}]}], "stream": True}
    answer = await client.post(PROXY, json=body, headers={"X-Request-ID": "stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")
    chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    found = await entry(gateway, client, "stream")
    assert (found["input_text"], found["output_text"], found["is_streaming"]) == ("Look", said, True)
    assert 0 < found["time_to_first_token_ms"] <= found["latency_ms"]
    assert found["completion_tokens"] > 0


async def test_text_of_other_routes_is_not_kept(gateway: RunningGateway, client: httpx.AsyncClient) -> None:  # noqa: F811
    await client.post(CHAT, json=BODY, headers={"X-Request-ID": "other"})
    found = await entry(gateway, client, "other")
    assert (found["input_text"], found["output_text"]) == (None, None)
    assert found["request_metadata"] == {"temperature": 0.7, "max_tokens": 100}


@pytest.mark.parametrize(
    ("content", "status", "detail"),
    [
        (b"{", 400, "Invalid JSON in request body"),
        (b"", 400, "Invalid JSON in request body"),
        (b'{"model":"none","messages":[]}', 404, "there is no model called 'none' here"),
        (b'{"model":"fake"}', 400, "the request is missing the required parameter 'messages'"),
    ],
)
async def test_refusals(
    gateway: RunningGateway,  # noqa: F811
    client: httpx.AsyncClient,
    content: bytes,
    status: int,
    detail: str,
) -> None:
    request_id = f"refused{len(content)}"
    answer = await client.post(PROXY, content=content, headers={"X-Request-ID": request_id})
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})
    found = await entry(gateway, client, request_id)
    assert (found["status"], found["performance_score"]) == (status, 0)
    assert found["error_message"]


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE_HEAD, Fault.ERROR])
async def test_a_server_that_fails(
    gateway: RunningGateway,  # noqa: F811
    upstream: FakeUpstream,  # noqa: F811
    client: httpx.AsyncClient,
    fault: Fault,
    is_streamed: bool,
) -> None:
    upstream.behave(fault=fault, status=500)
    request_id = f"{fault}-{is_streamed}"
    answer = await client.post(PROXY, json={**BODY, "stream": is_streamed}, headers={"X-Request-ID": request_id})
    detail = answer.json()["detail"]
    is_connection = fault is Fault.DROP_BEFORE_HEAD
    assert answer.status_code == (503 if is_connection else 502)
    assert detail.startswith("Connection error to local LLM: ") is is_connection
    found = await entry(gateway, client, request_id)
    assert (found["status"], found["performance_score"]) == (answer.status_code, 0)
    assert found["input_text"] == "Hello, how are you?"


async def test_a_stream_that_breaks_off_says_so(
    gateway: RunningGateway,  # noqa: F811
    upstream: FakeUpstream,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    upstream.behave(fault=Fault.DROP_MID_STREAM, after_chunks=3)
    answer = await client.post(PROXY, json={**BODY, "stream": True}, headers={"X-Request-ID": "cut"})
    *_, last = answer.text.strip().split("\n\n")
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "stream_cut"
    assert "[DONE]" not in answer.text
    found = await entry(gateway, client, "cut")
    assert (found["status"], found["error_message"]) == (200, "stream_cut")
    assert found["output_text"]


async def test_a_client_that_leaves(
    gateway: RunningGateway,  # noqa: F811
    upstream: FakeUpstream,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    upstream.behave(fault=Fault.STALL, after_chunks=2)
    async with RawClient(gateway.port) as leaving:
        body = json.dumps({**BODY, "stream": True}).encode()
        leaving.say(post(body, "X-Request-ID: gone", path=PROXY))
        await leaving.events(2)
        leaving.leave()
        await upstream.aborted_count(1)
    found = await entry(gateway, client, "gone")
    assert (found["status"], found["error_message"]) == (499, "client_gone")


async def test_nobody_there(tmp_path: Path) -> None:
    async with FakeUpstream() as fake:
        url = fake.url
    upstreams = [{"url": url, "models": ["fake"], "name": "one"}]
    async with (
        running_gateway(tmp_path, upstreams=upstreams) as alone,
        httpx.AsyncClient(base_url=alone.url, trust_env=False, timeout=60) as client,
    ):
        await alone.until(lambda: alone.remuda.fleet.look_up("fake") is not None, "the model is known")
        alone.remuda.gateway._pipeline._router._limits = QueueLimits(16, 2**20, 0.05)
        answer = await client.post(PROXY, json=BODY, headers={"X-Request-ID": "down"})
        assert answer.status_code == 503
        assert answer.json()["detail"].startswith("Connection error to local LLM: ")
        found = await entry(alone, client, "down")
        assert (found["status"], found["error_message"]) == (503, "queue_timeout")


@pytest.mark.parametrize("id_", ["0", "999999", "x", "-1", "1.5", "9" * 30])
async def test_no_entry(client: httpx.AsyncClient, id_: str) -> None:
    answer = await client.get(f"/api/logs/{id_}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Log entry not found"})


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("hours=many", "hours"),
        ("hours=1&from=2026-01-01", "hours"),
        ("from=then", "from"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
        ("status=fine", "status"),
        ("text=", "text"),
    ],
)
async def test_nonsense_is_named(client: httpx.AsyncClient, query: str, parameter: str) -> None:
    answer = await client.get(f"/api/logs?{query}")
    assert answer.status_code == 400
    assert parameter in answer.json()["detail"]


async def test_pages_and_words(gateway: RunningGateway, client: httpx.AsyncClient) -> None:  # noqa: F811
    async with asyncio.TaskGroup() as tasks:
        for number in range(7):
            said = {**BODY, "messages": [{"role": "user", "content": f"Vicuñas number {number}"}], "user": "paging"}
            tasks.create_task(client.post(PROXY, json=said))
    await gateway.at_rest()
    await gateway.records()
    ids, cursor = [], ""
    while True:
        query = f"text=vicuñas&user=paging&status=success&limit=3{cursor}"
        page = (await client.get(f"/api/logs?{query}")).json()
        ids += [line["id"] for line in page["logs"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(ids) == 7
    assert ids == sorted(ids, reverse=True)
    [line] = (await client.get('/api/logs?text="number 3"&model=fake&replica=one/fake&key=')).json()["logs"]
    assert line["id"] in ids
    assert (await client.get("/api/logs?text=vicuñas&status=error")).json() == {"logs": [], "next_cursor": None}


async def test_whose_entries_a_key_sees_and_what_is_kept_of_it(tmp_path: Path, upstream: FakeUpstream) -> None:  # noqa: F811
    secrets = {"ann": "rmd_anns-own-secret", "bob": "rmd_bobs-own-secret", "boss": "rmd_the-boss-secret"}
    scopes = {"boss": frozenset({Scope.MANAGE, Scope.READ, Scope.INFERENCE})}
    journal = {"content": "full", "content_by_key": {"ann": "off", "bob": "cut"}, "content_max_chars": 4}
    upstreams = [{"url": upstream.url, "name": "one"}]
    async with running_gateway(tmp_path, upstreams=upstreams, journal=journal) as closed:
        for name, secret in secrets.items():
            may = scopes.get(name, frozenset({Scope.INFERENCE, Scope.READ}))
            await create_key(closed.remuda.store, Key(name, name, digest_of(secret.encode()), "rmd_", may, 0.0))
        await closed.until(lambda: len(closed.remuda.credentials) == 3, "the keys are known")
        await closed.until(lambda: closed.remuda.fleet.look_up("fake") is not None, "the model is known")
        async with httpx.AsyncClient(base_url=closed.url, trust_env=False, timeout=60) as client:
            for secret in secrets.values():
                for path in (CHAT, PROXY):
                    answer = await client.post(path, json=BODY, headers={"Authorization": f"Bearer {secret}"})
                    assert answer.status_code == 200
            await closed.records()

            async def seen(name: str, query: str = "") -> list[str]:
                client.headers["Authorization"] = f"Bearer {secrets[name]}"
                return [line["key"] for line in (await client.get(f"/api/logs{query}")).json()["logs"]]

            assert await seen("ann") == ["ann", "ann"]
            assert await seen("bob", "?text=you") == ["bob", "bob"]
            assert (await client.get("/api/logs?key=ann")).status_code == 403
            assert sorted(await seen("boss")) == sorted([*secrets, *secrets])
            texts = {}
            for line in (await client.get("/api/logs")).json()["logs"]:
                kept = (await client.get(f"/api/logs/{line['id']}")).json()["input_text"]
                texts[line["key"], line["dialect"]] = kept
            whole = "Hello, how are you?"
            kept_of = {"ann": (None, None), "bob": ("you?", "you?"), "boss": (whole, "you?")}
            assert texts == {
                (name, dialect): text
                for name, kept in kept_of.items()
                for dialect, text in zip(("openai", "observe"), kept, strict=True)
            }
            client.headers["Authorization"] = f"Bearer {secrets['ann']}"
            asked = [await client.get(f"/api/logs/{number}") for number in range(1, 7)]
            assert sorted(answer.status_code for answer in asked) == [200] * 2 + [404] * 4
