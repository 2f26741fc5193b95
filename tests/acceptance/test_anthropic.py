"""Anthropic's API through a whole gateway, in front of fakes that speak OpenAI's."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.testing.behaviour import Fault, Packing, UsageMode
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import RawUpstream

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
ASK: dict[str, Any] = {"model": "fake", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}


async def post(gateway: RunningGateway, path: str = MESSAGES, body: Any = ASK, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60, trust_env=False) as client:
        return await client.post(path, json=body, headers=headers)


def events(body: str) -> list[dict[str, Any]]:
    """What its events carry, comments passed over; each is named as it should be."""
    assert body.endswith("\n\n")
    made = []
    for each in body.split("\n\n")[:-1]:
        if not each.startswith(":"):
            kind, _, data = each.partition("\n")
            made.append(json.loads(data.removeprefix("data: ")))
            assert kind == f"event: {made[-1]['type']}"
    return made


def text(said: list[dict[str, Any]]) -> str:
    return "".join(each["delta"].get("text", "") for each in said if each["type"] == "content_block_delta")


@pytest.mark.parametrize("packing", Packing)
async def test_whole_and_streamed(gateway: RunningGateway, upstream: FakeUpstream, packing: Packing) -> None:
    upstream.behave(packing=packing)
    answer = await post(gateway, body={**ASK, "stream": True}, **{"x-request-id": "mine-1"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["x-request-id"], answer.headers["x-remuda-replica"]) == ("mine-1", "one/fake")
    assert answer.headers["request-id"] == "mine-1"
    said = events(answer.text)
    assert [each["type"] for each in said] == [
        "message_start",
        "ping",
        "content_block_start",
        *["content_block_delta"] * 8,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert said[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert (said[-2]["usage"]["input_tokens"], said[-2]["usage"]["output_tokens"]) == (1, 8)
    whole = await post(gateway)
    assert whole.headers["content-type"] == "application/json"
    assert whole.headers["request-id"] == whole.headers["x-request-id"]
    assert whole.json()["content"] == [{"type": "text", "text": text(said)}]
    assert whole.json()["usage"]["output_tokens"] == 8
    first, second = reversed(await gateway.records())
    assert (first.dialect, first.operation, first.is_streamed, first.completion_tokens) == (
        "anthropic",
        "chat",
        True,
        8,
    )
    assert (second.is_streamed, second.finish_reason, second.fault) == (False, "stop", "")


@pytest.mark.parametrize(
    "fault", [Fault.DROP_MID_STREAM, Fault.END_EARLY, Fault.ERROR_IN_STREAM, Fault.MALFORMED_CHUNK]
)
async def test_a_stream_that_breaks_off_ends_with_an_error_and_never_stops(
    gateway: RunningGateway, upstream: FakeUpstream, fault: Fault
) -> None:
    upstream.behave(fault=fault)
    said = events((await post(gateway, body={**ASK, "stream": True})).text)
    assert [each["type"] for each in said].count("error") == 1
    assert (said[-1]["type"], said[-1]["error"]["type"]) == ("error", "api_error")
    assert "model's server" in said[-1]["error"]["message"]
    assert not {"message_delta", "message_stop"} & {each["type"] for each in said}
    await gateway.at_rest()
    [record] = await gateway.records()
    assert (record.status, record.fault != "") == (200, True)


async def test_a_stream_without_usage_or_done_is_whole_all_the_same(
    gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.behave(fault=Fault.NO_DONE, usage=UsageMode.NEVER)
    said = events((await post(gateway, body={**ASK, "stream": True})).text)
    assert [each["type"] for each in said[-2:]] == ["message_delta", "message_stop"]
    assert said[-2]["usage"]["output_tokens"] == 0


SOME = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CALL = b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"go","arguments":"[1]"}}]}}]}\n\n'
STOP = b'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize(
    "pieces",
    [
        (SOME, b'data: {"choices":7}\n\n', STOP),
        (SOME, b"data: <html>\n\n", STOP),
        (SOME + CALL + STOP,),
        (SOME, CALL, STOP.removesuffix(b"data: [DONE]\n\n")),
    ],
)
async def test_a_stream_that_makes_no_sense_is_an_error(tmp_path: Path, pieces: tuple[bytes, ...]) -> None:
    async with RawUpstream("raw") as upstream:
        upstream.answers(EVENTS, *pieces, closes=True)
        async with running_gateway(tmp_path, upstreams=[{"url": upstream.url, "name": "one"}]) as gateway:
            answer = await post(gateway, body={**ASK, "model": "raw", "stream": True})
            # What came in one read with all that was said before has not begun: it is a status.
            said = events(answer.text) if answer.status_code == 200 else [answer.json()]
            assert answer.status_code in (200, 502)
            assert said[-1]["type"] == "error"
            assert said[-1]["request_id"].startswith("req_")
            assert "message_stop" not in [each["type"] for each in said]
            await gateway.at_rest()
            assert (await gateway.records())[0].fault == "upstream_failed"


@pytest.mark.parametrize("stream", [True, False])
async def test_what_goes_wrong_beforehand_is_a_status(
    gateway: RunningGateway, upstream: FakeUpstream, stream: bool
) -> None:
    upstream.behave(fault=Fault.ERROR, status=500)
    answer = await post(gateway, body={**ASK, "stream": stream})
    assert (answer.status_code, answer.json()["type"], answer.json()["error"]["type"]) == (502, "error", "api_error")
    upstream.behave(fault=Fault.ERROR, status=503)
    answer = await post(gateway, body={**ASK, "stream": stream})
    assert (answer.status_code, answer.json()["error"]["type"]) == (529, "overloaded_error")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("path", "is_anthropics"), [("/v1/chat/completions", False), ("/v1/embeddings", False), ("/v1/nothing", True)]
)
async def test_inference_by_openais_routes_keeps_its_own_shape(
    gateway: RunningGateway, path: str, is_anthropics: bool
) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        said = (await client.post(path, json={}, headers={"anthropic-version": "2023-06-01"})).json()
    assert (said.get("type") == "error") is is_anthropics
    assert ("param" in said["error"]) is not is_anthropics


@pytest.mark.parametrize("path", [MESSAGES, COUNT])
async def test_refusals_are_in_anthropics_shape(gateway: RunningGateway, path: str) -> None:
    unknown = await post(gateway, path, {**ASK, "model": "nope"})
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "not_found_error")
    assert unknown.headers["request-id"] == unknown.json()["request_id"]
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        for answer, status in (
            (await client.post(path, content=b"{"), 400),
            (await client.post(path, content=b"{}", headers={"content-type": "image/png"}), 415),
            (await client.get(path), 405),
        ):
            assert (answer.status_code, answer.json()["error"]["type"]) == (status, "invalid_request_error")
        foreign = await client.post(path, json=ASK, headers={"origin": "https://elsewhere.example"})
        assert (foreign.status_code, foreign.json()["error"]["type"]) == (403, "permission_error")


async def test_a_server_that_cannot_count_is_not_asked(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    answer = await post(gateway, COUNT)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (501, "false")
    assert "count tokens beforehand" in answer.json()["error"]["message"]
    assert not upstream.seen
    [record] = await gateway.records()
    assert (record.dialect, record.operation, record.status) == ("anthropic", "count_tokens", 501)


async def test_who_waits_for_a_slot_is_told_in_comments(upstream: FakeUpstream, tmp_path: Path) -> None:
    routing = {"keep_alive_after_s": 0.05, "keep_alive_every_s": 0.5}
    one_slot = [{"url": upstream.url, "slots": 1, "name": "one"}]
    async with running_gateway(tmp_path, upstreams=one_slot, routing=routing) as gateway:
        await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "the model is known")
        upstream.gate.hold()
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(post(gateway))
            await upstream.gate.reached()
            second = tasks.create_task(post(gateway, body={**ASK, "stream": True}))
            await gateway.until(lambda: gateway.remuda.keep_alive.sent >= 1, "it has been told")
            upstream.gate.release()
        assert first.result().status_code == 200
        body = second.result().text
        assert body.startswith(":")
        assert events(body)[-1]["type"] == "message_stop"
