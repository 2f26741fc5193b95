"""Ollama's API through a whole gateway, in front of fakes that speak OpenAI's."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.gateway.relay import GATHERED_BYTES
from remuda.testing.behaviour import Fault, Packing, UsageMode
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import RawUpstream

CHAT: dict[str, Any] = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}
PROMPT: dict[str, Any] = {"model": "fake", "prompt": "Hello"}


async def post(gateway: RunningGateway, path: str, body: Any, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60, trust_env=False) as client:
        return await client.post(path, json=body, headers=headers)


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.text.endswith("\n")
    return [json.loads(line) for line in answer.text.splitlines()]


def text(parts: list[dict[str, Any]]) -> str:
    return "".join(part["message"]["content"] if "message" in part else part["response"] for part in parts)


@pytest.mark.parametrize("packing", Packing)
async def test_a_stream_is_the_default_and_is_lines(
    gateway: RunningGateway, upstream: FakeUpstream, packing: Packing
) -> None:
    upstream.behave(packing=packing)
    answer = await post(gateway, "/api/chat", CHAT, **{"x-request-id": "mine-1"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["x-remuda-replica"] == "one/fake"
    assert "request-id" not in answer.headers
    parts = lines(answer)
    assert [part["done"] for part in parts] == [False] * 8 + [True]
    last = parts[-1]
    assert (last["done_reason"], last["prompt_eval_count"], last["eval_count"]) == ("stop", 1, 8)
    assert last["total_duration"] >= last["eval_duration"] >= 0
    whole = await post(gateway, "/api/chat", {**CHAT, "stream": False})
    assert whole.headers["content-type"].startswith("application/json")
    assert whole.json()["message"] == {"role": "assistant", "content": text(parts)}
    assert whole.json()["done"] is True
    assert float(whole.headers["x-remuda-overhead-ms"]) >= 0
    first, second = reversed(await gateway.records())
    assert (first.dialect, first.operation, first.is_streamed, first.completion_tokens) == ("ollama", "chat", True, 8)
    assert (second.is_streamed, second.finish_reason, second.fault) == (False, "stop", "")


async def test_options_and_names_reach_the_server(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    options = {"num_predict": 3, "temperature": 0.5}
    parts = lines(await post(gateway, "/api/generate", {**PROMPT, "model": "fake:latest", "options": options}))
    assert (parts[-1]["model"], parts[-1]["done_reason"], parts[-1]["eval_count"]) == ("fake:latest", "length", 3)
    [seen] = upstream.seen
    assert seen.path.endswith("/chat/completions")
    sent = seen.json()
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("fake", 3, 0.5)
    assert (await gateway.records())[0].model == "fake"


async def test_a_raw_prompt_is_a_completion(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    parts = lines(await post(gateway, "/api/generate", {**PROMPT, "raw": True}))
    assert (parts[-1]["done_reason"], parts[-1]["eval_count"]) == ("stop", 8)
    whole = (await post(gateway, "/api/generate", {**PROMPT, "raw": True, "stream": False})).json()
    assert whole["response"] == text(parts)
    assert {seen.path.rpartition("/v1")[2] for seen in upstream.seen} == {"/completions"}


async def test_the_middle_of_a_text_is_a_completion_with_a_suffix(
    gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    parts = lines(await post(gateway, "/api/generate", {**PROMPT, "suffix": "!"}))
    assert (parts[-1]["done_reason"], "context" in parts[-1]) == ("stop", False)
    [seen] = upstream.seen
    assert seen.path.endswith("/completions")
    assert (seen.json()["prompt"], seen.json()["suffix"]) == ("Hello", "!")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_conversation_goes_on_by_its_context(
    gateway: RunningGateway, upstream: FakeUpstream, stream: bool
) -> None:
    first = lines(await post(gateway, "/api/generate", {**PROMPT, "system": "Be kind"}))
    answer = await post(
        gateway, "/api/generate", {**PROMPT, "prompt": "And?", "context": first[-1]["context"], "stream": stream}
    )
    last = lines(answer)[-1] if stream else answer.json()
    sent = [(each["role"], each["content"]) for each in upstream.seen[-1].json()["messages"]]
    assert sent == [("system", "Be kind"), ("user", "Hello"), ("assistant", text(first)), ("user", "And?")]
    assert len(last["context"]) > len(first[-1]["context"])
    foreign = await post(gateway, "/api/generate", {**PROMPT, "context": [128006, 882]})
    assert (foreign.status_code, "/api/chat" in foreign.json()["error"]) == (400, True)


async def test_nothing_to_answer_loads(gateway: RunningGateway) -> None:
    [line] = lines(await post(gateway, "/api/generate", {"model": "fake", "keep_alive": "5m"}))
    assert (line["response"], line["done"], line["done_reason"]) == ("", True, "load")
    whole = (await post(gateway, "/api/chat", {"model": "fake", "messages": [], "stream": False})).json()
    assert (whole["message"]["content"], whole["done_reason"]) == ("", "load")
    refused = await post(gateway, "/api/generate", {"model": "fake", "keep_alive": 0})
    assert (refused.status_code, list(refused.json())) == (501, ["error"])


@pytest.mark.parametrize("keep_alive", [0, "5m", -1])
async def test_how_long_a_model_stays_elsewhere_is_not_ours_to_say(gateway: RunningGateway, keep_alive: Any) -> None:
    [*_, last] = lines(await post(gateway, "/api/generate", {**PROMPT, "keep_alive": keep_alive}))
    assert last["done_reason"] == "stop"
    refused = await post(gateway, "/api/generate", {**PROMPT, "keep_alive": "soon"})
    assert (refused.status_code, "'keep_alive' is a number of seconds" in refused.json()["error"]) == (400, True)


async def test_vectors_in_both_forms(gateway: RunningGateway) -> None:  # S4: both take a text or a list
    one = (await post(gateway, "/api/embed", {"model": "fake", "input": "a"})).json()
    many = (await post(gateway, "/api/embed", {"model": "fake", "input": ["a", "b"]})).json()
    assert [len(one["embeddings"]), len(many["embeddings"])] == [1, 2]
    assert many["prompt_eval_count"] == 2
    older = (await post(gateway, "/api/embeddings", {"model": "fake", "prompt": "a"})).json()
    assert older == {"embedding": one["embeddings"][0]}
    older = (await post(gateway, "/api/embeddings", {"model": "fake", "prompt": ["a", "b"]})).json()
    assert older == {"embeddings": many["embeddings"]}


async def test_without_a_text_there_are_no_vectors(gateway: RunningGateway) -> None:
    for given in ([], "", None):
        answer = await post(gateway, "/api/embed", {"model": "fake", "input": given})
        assert (answer.status_code, answer.json()) == (200, {"model": "fake", "embeddings": []})
    older = await post(gateway, "/api/embeddings", {"model": "fake", "prompt": ""})
    assert (older.status_code, older.json()) == (200, {"embedding": []})


async def test_many_vectors_are_translated_whole(gateway: RunningGateway) -> None:
    texts = [f"text {number}" for number in range(9000)]
    answer = await post(gateway, "/api/embed", {"model": "fake", "input": texts})
    assert len(answer.content) > GATHERED_BYTES
    assert len(answer.json()["embeddings"]) == len(texts)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.DROP_MID_STREAM,
        Fault.END_EARLY,
        Fault.ERROR_IN_STREAM,
        Fault.MALFORMED_CHUNK,
    ],
)
async def test_a_stream_that_breaks_off_ends_with_an_error_and_is_never_done(
    gateway: RunningGateway, upstream: FakeUpstream, fault: Fault
) -> None:
    upstream.behave(fault=fault)
    parts = lines(await post(gateway, "/api/chat", CHAT))
    assert list(parts[-1]) == ["error"]
    assert "model's server" in parts[-1]["error"]
    assert [part.get("done", False) for part in parts] == [False] * len(parts)
    assert sum("error" in part for part in parts) == 1
    await gateway.at_rest()
    [record] = await gateway.records()
    assert (record.status, record.fault != "") == (200, True)


async def test_a_stream_without_usage_or_done_is_whole_all_the_same(
    gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.behave(fault=Fault.NO_DONE, usage=UsageMode.NEVER)
    last = lines(await post(gateway, "/api/chat", CHAT))[-1]
    assert (last["done"], last["done_reason"]) == (True, "stop")
    assert "eval_count" not in last


@pytest.mark.parametrize("stream", [True, False])
async def test_a_server_that_fails_before_it_answers_is_a_status(
    gateway: RunningGateway, upstream: FakeUpstream, stream: bool
) -> None:
    upstream.behave(fault=Fault.ERROR, status=500)
    answer = await post(gateway, "/api/chat", {**CHAT, "stream": stream})
    assert answer.status_code == 502
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings"])
async def test_refusals_are_in_ollamas_shape(gateway: RunningGateway, path: str) -> None:
    body = {**CHAT, **PROMPT, "input": "a", "model": "nope"}
    unknown = await post(gateway, path, body)
    assert (unknown.status_code, unknown.json()) == (404, {"error": "model 'nope' not found"})
    pinned = await post(gateway, path, {**body, "model": "fake", "node_id": 1})
    assert (pinned.status_code, pinned.json()) == (400, {"error": "specifying node_id is not allowed"})
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        broken = await client.post(path, content=b"{")
        assert (broken.status_code, list(broken.json())) == (400, ["error"])
        assert (await client.get(path)).status_code == 405


SOME = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CALL = b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"go","arguments":"[1]"}}]}}]}\n\n'
STOP = b'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize(
    "pieces",
    [
        (SOME, b'data: {"choices":7}\n\n', STOP),
        (SOME, b"data: <html>\n\n", STOP),
        (SOME, CALL, STOP.removesuffix(b"data: [DONE]\n\n")),
    ],
)
async def test_a_stream_that_makes_no_sense_is_an_error_and_is_never_done(
    tmp_path: Path, pieces: tuple[bytes, ...]
) -> None:
    async with RawUpstream("raw") as upstream:
        upstream.answers(EVENTS, *pieces, closes=True)
        async with running_gateway(tmp_path, upstreams=[{"url": upstream.url, "name": "one"}]) as gateway:
            answer = await post(gateway, "/api/chat", {**CHAT, "model": "raw"})
            # What came in one read with all that was said before has not begun: it is a status.
            parts = lines(answer) if answer.status_code == 200 else [answer.json()]
            assert answer.status_code in (200, 502)
            assert text(parts[:-1]) in ("hi", "")
            assert list(parts[-1]) == ["error"]
            assert not any(part.get("done") for part in parts)
            await gateway.at_rest()
            assert (await gateway.records())[0].fault == "upstream_failed"


async def test_a_stream_that_makes_no_sense_from_the_start_is_a_status(tmp_path: Path) -> None:
    async with RawUpstream("raw") as upstream:
        upstream.answers(EVENTS, SOME + CALL + STOP, closes=True)
        async with running_gateway(tmp_path, upstreams=[{"url": upstream.url, "name": "one"}]) as gateway:
            answer = await post(gateway, "/api/chat", {**CHAT, "model": "raw"})
            assert (answer.status_code, list(answer.json())) == (502, ["error"])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"choices":[{"message":7}]}'])
async def test_a_whole_answer_that_makes_no_sense_is_refused(tmp_path: Path, body: bytes, stream: bool) -> None:
    async with RawUpstream("raw") as upstream:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        upstream.answers(head, body)
        async with running_gateway(tmp_path, upstreams=[{"url": upstream.url, "name": "one"}]) as gateway:
            answer = await post(gateway, "/api/chat", {**CHAT, "model": "raw", "stream": stream})
            assert (answer.status_code, list(answer.json())) == (502, ["error"])


async def test_a_server_that_does_not_stream_is_told_in_one_line(tmp_path: Path) -> None:
    body = b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'
    async with RawUpstream("raw") as upstream:
        upstream.answers(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body, closes=True)
        async with running_gateway(tmp_path, upstreams=[{"url": upstream.url, "name": "one"}]) as gateway:
            answer = await post(gateway, "/api/chat", {**CHAT, "model": "raw"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    [line] = lines(answer)
    assert (line["message"]["content"], line["done"]) == ("hi", True)
