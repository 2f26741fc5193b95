"""Servers that speak Anthropic's API themselves: its clients get their very bytes, all others the rest."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import pytest

from remuda.testing.answers_anthropic import CACHED_TOKENS
from remuda.testing.behaviour import Fault, Packing
from remuda.testing.speech import OllamaSpeech, VllmSpeech
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import RawClient, post

PATH = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
MODEL = "org/model"
ASK: dict[str, Any] = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "hello there"}]}


@asynccontextmanager
async def before(node: FakeUpstream, folder: Path, **values: Any) -> AsyncIterator[RunningGateway]:
    upstreams = [{"url": node.url, "name": "den"}]
    async with running_gateway(folder, upstreams=upstreams, models={"aliases": {"chat": MODEL}}, **values) as running:
        await running.until(lambda: running.remuda.fleet.is_offering, "its models are known")
        yield running
        await running.at_rest()


@pytest.fixture
async def node() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(models=(MODEL,), speaks="vllm", tokens=6) as fake:
        yield fake


@pytest.fixture
async def gateway(node: FakeUpstream, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with before(node, tmp_path) as running:
        yield running


async def both(node: FakeUpstream, gateway: RunningGateway, body: bytes) -> tuple[httpx.Response, ...]:
    """The answers of the server itself and of the gateway before it."""
    async with httpx.AsyncClient(trust_env=False) as client:
        own = await client.post(f"{node.url}/messages", content=body)
        node.seen.clear()
        return own, await client.post(f"{gateway.url}{PATH}", content=body)


def plain(content: bytes) -> bytes:
    """Without the number that the fake gives each answer."""
    return content.replace(b"msg_fake1", b"msg_fake2")


@pytest.mark.parametrize("packing", list(Packing))
@pytest.mark.parametrize("stream", [True, False])
async def test_asks_and_answers_pass_untouched(
    packing: Packing, stream: bool, node: FakeUpstream, gateway: RunningGateway
) -> None:
    node.behave(packing=packing)
    body = json.dumps({**ASK, "stream": stream, "x": 1.50}, indent=1).encode()
    own, passed = await both(node, gateway, body)
    assert (passed.status_code, passed.headers["content-type"]) == (200, own.headers["content-type"])
    assert passed.headers["request-id"] == passed.headers["x-request-id"]
    assert plain(passed.content) == plain(own.content)
    [seen] = node.seen
    assert (seen.path, seen.body) == (PATH, body)
    [record] = await gateway.records()
    assert (record.is_streamed, record.finish_reason, record.fault) == (stream, "stop", "")
    assert (record.prompt_tokens, record.cached_tokens, record.completion_tokens) == (2 + CACHED_TOKENS, 3, 6)
    assert not record.tokens_estimated


async def test_only_the_models_name_is_put_in(node: FakeUpstream, gateway: RunningGateway) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{gateway.url}{PATH}", json={**ASK, "model": "chat"})
    assert answer.json()["model"] == MODEL
    [seen] = node.seen
    assert seen.json() == ASK


@pytest.mark.parametrize(
    "fault", [Fault.DROP_MID_STREAM, Fault.END_EARLY, Fault.ERROR_IN_STREAM, Fault.MALFORMED_CHUNK, Fault.NO_DONE]
)
async def test_a_stream_that_breaks_off_ends_with_an_error_and_never_stops(
    node: FakeUpstream, gateway: RunningGateway, fault: Fault
) -> None:
    node.behave(fault=fault, packing=Packing.TORN)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{gateway.url}{PATH}", json={**ASK, "stream": True})
    assert answer.status_code == 200
    *_, last, empty = answer.text.split("\n\n")
    assert (last.partition("\n")[0], empty) == ("event: error", "")
    assert answer.text.count("event: error") == 1
    assert "message_stop" not in answer.text
    await gateway.at_rest()
    [record] = await gateway.records()
    assert record.fault in ("stream_cut", "upstream_failed")
    assert record.prompt_tokens == 2 + CACHED_TOKENS


async def test_one_that_breaks_off_before_its_first_content_is_a_status(
    node: FakeUpstream, gateway: RunningGateway
) -> None:
    node.behave(fault=Fault.DROP_MID_STREAM, after_chunks=0)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{gateway.url}{PATH}", json={**ASK, "stream": True})
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")


@pytest.mark.parametrize("stream", [True, False])
async def test_whoever_leaves_is_told_to_the_server(node: FakeUpstream, gateway: RunningGateway, stream: bool) -> None:
    node.gate.hold(after_chunks=2 if stream else None)
    async with RawClient(gateway.port) as client:
        client.say(post(json.dumps({**ASK, "stream": stream}).encode(), path=PATH))
        await node.gate.reached()
        client.leave()
        await node.aborted_count(1)
    node.gate.release()


async def test_a_refusal_is_said_in_anthropics_words(node: FakeUpstream, gateway: RunningGateway) -> None:
    node.behave(fault=Fault.ERROR, status=400)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{gateway.url}{PATH}", json=ASK)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_the_client_reads_it(gateway: RunningGateway) -> None:
    http = httpx2.AsyncClient(trust_env=False)
    async with anthropic.AsyncAnthropic(
        base_url=gateway.url, api_key="none", max_retries=0, http_client=http
    ) as client:
        async with client.messages.stream(**ASK) as stream:
            streamed = await stream.get_final_message()
        whole = await client.messages.create(**ASK)
    assert [block.text for block in streamed.content if block.type == "text"] == [
        block.text for block in whole.content if block.type == "text"
    ]
    assert (streamed.stop_reason, streamed.usage.output_tokens) == ("end_turn", 6)
    assert whole._request_id


@pytest.mark.parametrize(("version", "path"), [("0.12.11", "/v1/chat/completions"), ("0.14.1", PATH)])
async def test_an_ollama_gets_them_from_a_version_on(tmp_path: Path, version: str, path: str) -> None:
    async with FakeUpstream(models=(MODEL,), speaks="ollama") as node:
        assert isinstance(node.speech, OllamaSpeech)
        node.speech.version = version
        async with before(node, tmp_path) as gateway, httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{gateway.url}{PATH}", json=ASK)
            assert answer.json()["type"] == "message"
            assert [seen.path for seen in node.seen] == [path]


async def test_tokens_are_counted_by_a_server_that_can(node: FakeUpstream, gateway: RunningGateway) -> None:
    body = b'{ "model" : "chat", "messages": [{"role": "user", "content": "one two three"}]}'
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{gateway.url}{COUNT}", content=body)
    assert (answer.status_code, answer.json()["input_tokens"]) == (200, 3)
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    [seen] = node.seen
    assert (seen.path, seen.json()["model"]) == (COUNT, MODEL)
    [record] = await gateway.records()
    assert (record.operation, record.status, record.completion_tokens) == ("count_tokens", 200, 0)


async def test_a_server_too_old_to_count_is_not_asked(tmp_path: Path) -> None:
    async with FakeUpstream(models=(MODEL,), speaks="vllm") as node:
        assert isinstance(node.speech, VllmSpeech)
        node.speech.counts_tokens = False
        async with before(node, tmp_path) as gateway, httpx.AsyncClient(trust_env=False) as client:
            assert (await client.post(f"{gateway.url}{COUNT}", json=ASK)).status_code == 501
            assert (await client.post(f"{gateway.url}{PATH}", json=ASK)).status_code == 200
        assert [seen.path for seen in node.seen] == [PATH]


@pytest.mark.parametrize(("speaks", "status"), [("llama.cpp", 200), ("openai", 501)])
async def test_another_remuda_counts_or_says_that_it_cannot(tmp_path: Path, speaks: str, status: int) -> None:
    async with (
        FakeUpstream(models=(MODEL,), speaks=speaks) as node,
        before(node, tmp_path / "far") as far,
        running_gateway(tmp_path / "near", upstreams=[{"url": f"{far.url}/v1", "name": "far"}]) as near,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await near.until(lambda: near.remuda.fleet.is_offering, "its models are known")
        answer = await client.post(f"{near.url}{COUNT}", json=ASK)
        assert answer.status_code == status
        if status == 200:
            assert answer.json() == {"input_tokens": 2}
        else:
            assert "count tokens beforehand" in answer.json()["error"]["message"]
        assert [record.operation for record in await far.records()] == ["count_tokens"]


async def test_where_one_that_may_count_cannot_another_is_asked(tmp_path: Path) -> None:
    async with (
        FakeUpstream(models=(MODEL,)) as plain,
        FakeUpstream(models=(MODEL,), speaks="llama.cpp") as counting,
        before(plain, tmp_path / "far") as far,
    ):
        upstreams = [{"url": f"{far.url}/v1", "name": "a-far"}, {"url": counting.url, "name": "b-near"}]
        async with (
            running_gateway(tmp_path / "near", upstreams=upstreams) as near,
            httpx.AsyncClient(trust_env=False) as client,
        ):

            def are_known() -> bool:
                found = near.remuda.fleet.look_up(MODEL)
                return found is not None and len(found.replicas) == 2

            await near.until(are_known, "both are known")
            answer = await client.post(f"{near.url}{COUNT}", json={**ASK, "model": MODEL})
            assert (answer.status_code, answer.json()) == (200, {"input_tokens": 2})
            [record] = await near.records()
            assert (record.attempts, record.replica) == (2, f"b-near/{MODEL}")
        assert [record.status for record in await far.records()] == [501]


@pytest.mark.parametrize("stream", [False, True])
async def test_another_remuda_that_is_busy_is_asked_again_when_it_has_said(tmp_path: Path, stream: bool) -> None:
    async with (
        FakeUpstream(models=(MODEL,)) as node,
        before(node, tmp_path / "far") as far,
        running_gateway(tmp_path / "near", upstreams=[{"url": f"{far.url}/v1", "name": "far"}]) as near,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await near.until(lambda: near.remuda.fleet.is_offering, "its models are known")
        node.behave(fault=Fault.ERROR, status=503, times=1)
        answer = await client.post(f"{near.url}{PATH}", json={**ASK, "stream": stream})
        assert answer.status_code == 200
        assert [record.status for record in await far.records()] == [200, 529], "newest first"
        [record] = await near.records()
        assert (record.attempts, record.fault) == (2, "")
        assert record.queue_wait_s >= 0.9, "not before"


async def test_another_remuda_gets_them_as_they_are(tmp_path: Path) -> None:
    async with (
        FakeUpstream(models=(MODEL,)) as node,
        before(node, tmp_path / "far") as far,
        running_gateway(tmp_path / "near", upstreams=[{"url": f"{far.url}/v1", "name": "far"}]) as near,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await near.until(lambda: near.remuda.fleet.is_offering, "its models are known")
        answer = await client.post(f"{near.url}{PATH}", json={**ASK, "stream": True})
        assert answer.text.count("event: message_stop") == 1
        [first], [second] = await near.records(), await far.records()
        assert first.dialect == second.dialect == "anthropic"
        assert first.completion_tokens == second.completion_tokens > 0


async def test_others_asks_go_to_its_openai_api(node: FakeUpstream, gateway: RunningGateway) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{gateway.url}/v1/chat/completions", json=ASK)
    assert answer.status_code == 200
    assert [seen.path for seen in node.seen] == ["/v1/chat/completions"]
