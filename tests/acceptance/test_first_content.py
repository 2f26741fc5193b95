"""Streams that break off before anything of the answer has come: nobody notices, where another server can answer."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.raw import RawAnswer, RawClient, RawUpstream, post

HELLO = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
ASKS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": HELLO,
    "/v1/completions": {"model": "fake", "prompt": "Hello", "stream": True},
    "/v1/responses": {"model": "fake", "input": "Hello", "stream": True},
    "/v1/messages": {**HELLO, "max_tokens": 50},
    "/api/chat": HELLO,
}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
ROLE = b'data: {"id":"lost","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
CREATED = b'event: response.created\ndata: {"type":"response.created","response":{"id":"lost"}}\n\n'
COMMENT = b": busy\n\n"
ENDS = ("[DONE]", "response.completed", "message_stop", '"done":true')
"""What only the end of an answer holds."""


@asynccontextmanager
async def two(
    first: RawUpstream | FakeUpstream, second: FakeUpstream, folder: Path, **more: Any
) -> AsyncIterator[RunningGateway]:
    """A gateway that asks `first` before `second`."""
    upstreams = [{"url": first.url, "name": "one", **more}, {"url": second.url, "name": "two", **more}]
    async with running_gateway(folder, upstreams=upstreams, routing={"policy": "round_robin"}) as gateway:

        def known() -> list[str]:
            model = gateway.remuda.fleet.look_up("fake")
            return [] if model is None else [each.id for each in model.replicas]

        await gateway.until(lambda: len(known()) == 2, "both are known")
        model = gateway.remuda.fleet.look_up("fake")
        assert model is not None
        model.turn = known().index("one/fake") + 1  # so that the next turn is that of `first`
        yield gateway


async def ask(gateway: RunningGateway, path: str) -> RawAnswer:
    async with RawClient(gateway.port) as client:
        client.say(post(json.dumps(ASKS[path]).encode(), path=path))
        return await client.answer()


@pytest.mark.parametrize("path", ASKS)
@pytest.mark.parametrize("said", [b"", ROLE, CREATED], ids=["nothing", "a role", "an id"])
async def test_another_server_answers_unseen(tmp_path: Path, path: str, said: bytes) -> None:
    async with RawUpstream("fake") as first, FakeUpstream() as second:
        first.answers(HEAD + said, closes=True)
        async with two(first, second, tmp_path) as gateway:
            answer = await ask(gateway, path)
            assert (first.requests, len(second.seen)) == (1, 1)
            assert (answer.status, answer.is_whole) == (200, True)
            assert answer.header("x-remuda-replica") == "two/fake"
            assert b"lost" not in answer.body
            assert b"error" not in answer.body.replace(b'"error":null', b"")
            assert sum(end.encode() in answer.body for end in ENDS) == 1
            [record] = await gateway.records()
            assert (record.attempts, record.fault, record.is_streamed) == (2, "", True)


@pytest.mark.parametrize("path", ASKS)
async def test_where_there_is_no_other_the_answer_is_a_status(tmp_path: Path, path: str) -> None:
    async with RawUpstream("fake") as only:
        only.answers(HEAD + ROLE, closes=True)
        async with running_gateway(tmp_path, upstreams=[{"url": only.url, "name": "one"}]) as gateway:
            answer = await ask(gateway, path)
            assert answer.status == 502
            assert (answer.header("content-type") or "").startswith("application/json")
            await gateway.at_rest()
            [record] = await gateway.records()
            assert (record.status, record.fault, record.is_streamed) == (502, "stream_cut", False)


@pytest.mark.parametrize("path", ASKS)
async def test_an_error_that_comes_first_is_passed_over_too(tmp_path: Path, path: str) -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        first.behave(fault=Fault.ERROR_IN_STREAM, after_chunks=0)
        async with two(first, second, tmp_path) as gateway:
            answer = await ask(gateway, path)
            assert (answer.status, len(first.seen), len(second.seen)) == (200, 1, 1)
            assert b"failed in mid-stream" not in answer.body
            [record] = await gateway.records()
            assert (record.attempts, record.fault) == (2, "")


@pytest.mark.parametrize("path", ASKS)
@pytest.mark.parametrize(("code", "status"), [(500, 502), (400, 400), (429, 429), (503, 503)])
async def test_where_there_is_no_other_an_error_that_comes_first_is_a_status(
    tmp_path: Path, path: str, code: int, status: int
) -> None:
    async with RawUpstream("fake") as only:
        only.answers(HEAD + b'data: {"error":{"message":"too bad","code":%d}}\n\n' % code, closes=True)
        async with running_gateway(tmp_path, upstreams=[{"url": only.url, "name": "one"}]) as gateway:
            answer = await ask(gateway, path)
            assert answer.status == (529 if (path, status) == ("/v1/messages", 503) else status)
            assert b"too bad" in answer.body


async def test_silence_before_the_first_content_is_passed_over_too(tmp_path: Path) -> None:
    async with RawUpstream("fake") as first, FakeUpstream() as second:
        first.answers(HEAD + ROLE)
        async with two(first, second, tmp_path, silence_timeout_s=0.3) as gateway:
            answer = await ask(gateway, "/v1/chat/completions")
            assert (answer.status, answer.events[-1]) == (200, "[DONE]")
            [record] = await gateway.records()
            assert (record.attempts, record.fault) == (2, "")


async def test_comments_keep_the_client_waiting_and_commit_to_nothing(tmp_path: Path) -> None:
    async with RawUpstream("fake") as first, FakeUpstream() as second:
        first.answers(HEAD + COMMENT)
        async with two(first, second, tmp_path, silence_timeout_s=0.5) as gateway, RawClient(gateway.port) as client:
            client.say(post(json.dumps(HELLO).encode()))
            begun = await client.events()
            assert begun.endswith(COMMENT)
            assert b"data:" not in begun
            rest = await client.reader.readuntil(b"0\r\n\r\n")
            assert b"lost" not in rest
            assert rest.count(b"[DONE]") == 1
            await gateway.at_rest()
            [record] = await gateway.records()
            assert (record.attempts, record.fault, record.status) == (2, "", 200)


async def test_content_is_passed_on_at_once(upstream: FakeUpstream, gateway: RunningGateway) -> None:
    upstream.behave(early_head=True)
    upstream.gate.hold(after_chunks=1)
    async with RawClient(gateway.port) as client:
        client.say(post(json.dumps(HELLO).encode()))
        begun = await client.events()
        assert b'"role":"assistant"' in begun
        assert b'"content":"' in begun
        assert upstream.open == 1, "it has said one word, and is held"
        upstream.gate.release()
        await client.reader.readuntil(b"0\r\n\r\n")


@pytest.mark.parametrize("fault", [Fault.DROP_MID_STREAM, Fault.END_EARLY, Fault.MALFORMED_CHUNK])
async def test_a_server_of_ollamas_own_words_is_passed_over_too(tmp_path: Path, fault: Fault) -> None:
    async with FakeUpstream(speaks="ollama") as first, FakeUpstream(speaks="ollama") as second:
        first.behave(fault=fault, after_chunks=0)
        async with two(first, second, tmp_path, kind="ollama") as gateway:
            answer = await ask(gateway, "/api/chat")
            assert (answer.status, len(first.seen), len(second.seen)) == (200, 1, 1)
            assert answer.body.count(b'"done":true') == 1
            assert b"error" not in answer.body
