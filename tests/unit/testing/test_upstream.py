"""The fake upstream over real sockets: it answers, misbehaves and remembers as told."""

import asyncio
import contextlib
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from remuda.testing.behaviour import Behaviour, Fault, Framing, Packing
from remuda.testing.seen import Outcome
from remuda.testing.upstream import FakeUpstream

ASK = {"model": "fake", "messages": [{"role": "user", "content": "hello"}]}
STREAM = ASK | {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(tokens=4) as fake:
        yield fake


@pytest.fixture
async def client(upstream: FakeUpstream) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=upstream.url, trust_env=False) as made:
        yield made


class Raw:
    """A client that sees bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, ask: dict[str, Any] | None = None, head: str = "") -> None:
        body = json.dumps(ask or ASK).encode()
        start = f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        self.writer.write(start.encode() + body)

    async def all(self) -> bytes:
        """Everything until the fake closes."""
        return await self.reader.read()

    async def until(self, end: bytes) -> bytes:
        return await self.reader.readuntil(end)

    def leave(self) -> None:
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def connected(upstream: FakeUpstream) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection(upstream.host, upstream.port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_every_place_answers(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    assert (await client.get("/models")).json()["data"][0]["id"] == "fake"
    assert (await client.get("/models/fake")).json()["id"] == "fake"
    assert (await client.get(upstream.url.removesuffix("/v1") + "/health")).json() == {"status": "ok"}
    for path, ask, word in (
        ("/chat/completions", ASK, "chat.completion"),
        ("/completions", {"model": "fake", "prompt": "a"}, "text_completion"),
        ("/responses", {"model": "fake", "input": "a"}, "response"),
        ("/embeddings", {"model": "fake", "input": "a"}, "list"),
        ("/rerank", {"model": "fake", "query": "a", "documents": ["a"]}, "list"),
    ):
        answer = await client.post(path, json=ask)
        assert (answer.status_code, answer.json()["object"]) == (200, word), path
    assert len(upstream.seen) == upstream.completed == 5
    assert len(upstream.probes) == 3
    assert upstream.accepted == upstream.connections == 1


async def test_what_is_wrong_is_refused_in_the_shape_of_the_dialect(
    upstream: FakeUpstream, client: httpx.AsyncClient
) -> None:
    for method, path, body, status in (
        ("POST", "/chat/completions", b"{", 400),
        ("POST", "/chat/completions", b'{"model":"other"}', 404),
        ("POST", "/nowhere", b'{"model":"fake"}', 404),
        ("GET", "/nowhere", b"", 404),
        ("PUT", "/chat/completions", b"", 405),
    ):
        answer = await client.request(method, path, content=body)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]


async def test_a_stream_is_made_of_events_and_ends_with_done(client: httpx.AsyncClient) -> None:
    answer = await client.post("/chat/completions", json=STREAM)
    assert answer.headers["content-type"] == "text/event-stream"
    events = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert len(events) == 4 + 3
    assert json.loads(events[-2])["usage"]["completion_tokens"] == 4
    assert events[-1] == "[DONE]"


async def test_a_key_is_demanded() -> None:
    async with (
        FakeUpstream(api_key="secret") as upstream,
        httpx.AsyncClient(base_url=upstream.url, trust_env=False) as client,
    ):
        assert (await client.post("/chat/completions", json=ASK)).status_code == 401
        good = {"Authorization": "Bearer secret"}
        assert (await client.post("/chat/completions", json=ASK, headers=good)).status_code == 200


async def test_it_remembers_what_it_saw(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    await client.post("/chat/completions?x=1", json=ASK, headers={"X-Request-Id": "r1"})
    (seen,) = await upstream.saw(1)
    assert (seen.method, seen.target, seen.header("x-request-id")) == ("POST", "/v1/chat/completions?x=1", "r1")
    assert seen.json() == ASK
    assert seen.outcome is Outcome.COMPLETED
    assert seen.finished is not None
    assert seen.finished >= seen.started


async def test_orders_over_http_do_as_attributes_do(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    root = upstream.url.removesuffix("/v1")
    told = await client.post(f"{root}/_fake/behaviour", json={"fault": "error", "status": 503, "retry_after_s": 7})
    assert told.json()["fault"] == "error"
    assert upstream.behaviour.fault is Fault.ERROR
    refused = await client.post("/chat/completions", json=ASK)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "7")
    assert (await client.post(f"{root}/_fake/behaviour", json={"falt": 1})).status_code == 400
    assert (await client.get(f"{root}/_fake/behaviour")).json()["status"] == 503
    assert (await client.delete(f"{root}/_fake/behaviour")).json()["fault"] == "none"
    assert upstream.behaviour == Behaviour(tokens=4)
    assert (await client.get(f"{root}/_fake/else")).status_code == 404
    report = (await client.get(f"{root}/_fake/seen")).json()
    assert (report["completed"], report["seen"][0]["outcome"]) == (1, "completed")


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_any_error_can_be_had(upstream: FakeUpstream, client: httpx.AsyncClient, status: int) -> None:
    upstream.behave(fault=Fault.ERROR, status=status)
    answer = await client.post("/chat/completions", json=ASK)
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, "as told")


async def test_a_page_for_people_comes_with_200(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    upstream.behave(fault=Fault.HTML)
    answer = await client.post("/chat/completions", json=ASK)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    assert (await client.get("/models")).json()["data"]


async def test_flaky_fails_every_so_often_and_stops_after_so_many(
    upstream: FakeUpstream, client: httpx.AsyncClient
) -> None:
    upstream.behave(fault=Fault.ERROR, every=2, times=2)
    answers = [(await client.post("/chat/completions", json=ASK)).status_code for _ in range(6)]
    assert answers == [200, 500, 200, 500, 200, 200]


async def test_probes_and_orders_pass_a_gate_that_is_held(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    upstream.gate.hold()
    assert (await client.get(f"{upstream.url}/models")).status_code == 200
    assert (await client.get(f"{upstream.root}/_fake/seen")).json()["probes"] == 1
    assert upstream.gate.waiting == 0
    upstream.gate.hold(probes_too=True)
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(client.get(f"{upstream.url}/models"))
        await upstream.gate.reached()
        upstream.gate.release()
    assert asked.result().status_code == 200


async def test_probes_are_spared_unless_told(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    upstream.behave(fault=Fault.ERROR)
    assert (await client.get("/models")).status_code == 200
    upstream.behave(fault=Fault.ERROR, probes_too=True)
    assert (await client.get("/models")).status_code == 500


async def test_a_request_that_hangs_is_aborted_by_who_leaves(upstream: FakeUpstream) -> None:
    upstream.behave(fault=Fault.HANG)
    async with connected(upstream) as raw:
        raw.send()
        await upstream.saw(1)
        assert (upstream.open, upstream.aborted) == (1, 0)
        raw.leave()
        await upstream.aborted_count(1)
    assert upstream.open == 0
    assert upstream.seen[0].outcome is Outcome.ABORTED


async def test_leaving_at_the_gate_or_in_mid_stream_is_an_abort(upstream: FakeUpstream) -> None:
    for after in (None, 0, 2):
        upstream.gate.hold(after_chunks=after)
        async with connected(upstream) as raw:
            raw.send(STREAM)
            await upstream.gate.reached(1)
            if after:
                assert b" herd" in await raw.until(b"}]}\n\n") + await raw.until(b"}]}\n\n")
            raw.leave()
            await upstream.idle()
        assert upstream.seen[-1].outcome is Outcome.ABORTED
        assert upstream.seen[-1].chunks == (after or 0)
        await upstream.connection_count(0)
    assert upstream.gate.waiting == 0


async def test_the_gate_lets_a_held_answer_go_on(upstream: FakeUpstream, client: httpx.AsyncClient) -> None:
    upstream.gate.hold(after_chunks=1)
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(client.post("/chat/completions", json=STREAM))
        await upstream.streamed(1)
        await upstream.gate.reached(1)
        upstream.gate.release()
    assert asked.result().text.endswith("data: [DONE]\n\n")
    await upstream.completed_count(1)


async def test_only_so_many_slots_answer_at_a_time() -> None:
    async with FakeUpstream(slots=1) as upstream, connected(upstream) as first, connected(upstream) as second:
        upstream.gate.hold()
        first.send(head="Connection: close\r\n")
        await upstream.gate.reached(1)
        second.send(head="Connection: close\r\n")
        await upstream.saw(2)
        assert upstream.gate.waiting == 1
        upstream.gate.release()
        assert b"200 OK" in await first.all()
        assert b"200 OK" in await second.all()


@pytest.mark.parametrize("reset", [False, True])
async def test_dropping_comes_before_in_or_after_the_head(upstream: FakeUpstream, reset: bool) -> None:
    for fault, start, end in (
        (Fault.DROP_BEFORE_HEAD, b"", b""),
        (Fault.DROP_MID_HEAD, b"HTTP/1.1 200 OK\r\n", b""),
        (Fault.DROP_MID_STREAM, b"HTTP/1.1 200 OK\r\n", b"\n\n\r\n"),
    ):
        upstream.behave(fault=fault, reset=reset)
        async with connected(upstream) as raw:
            raw.send(STREAM)
            if reset:
                with pytest.raises(ConnectionResetError):
                    await raw.all()
            else:
                got = await raw.all()
                assert got.startswith(start)
                assert got.endswith(end)
                assert got.count(b'"content"') == (2 if end else 0)
        assert upstream.seen[-1].outcome is Outcome.DROPPED


async def test_a_stalled_stream_says_nothing_more_but_stays(upstream: FakeUpstream) -> None:
    upstream.behave(fault=Fault.STALL)
    async with connected(upstream) as raw:
        raw.send(STREAM)
        await upstream.streamed(2)
        got = await raw.until(b'" herd"},"finish_reason":null}]}\n\n\r\n')
        assert b"chunked" in got
        assert (upstream.open, upstream.connections) == (1, 1)


async def test_stale_connections_are_closed_right_after_the_answer(upstream: FakeUpstream) -> None:
    upstream.behave(close_after=True)
    async with connected(upstream) as raw:
        raw.send()
        answer = await raw.all()
        assert b"200 OK" in answer
        assert b"connection: close" not in answer.lower()
    await upstream.completed_count(1)


async def test_or_when_the_next_request_comes(upstream: FakeUpstream) -> None:
    upstream.behave(fault=Fault.DROP_BEFORE_HEAD, reused_only=True)
    async with connected(upstream) as raw:
        raw.send()
        first = await raw.until(b'"cached_tokens":0}}}')
        assert b"200 OK" in first
        raw.send()
        assert await raw.all() == b""
    assert [seen.outcome for seen in upstream.seen] == [Outcome.COMPLETED, Outcome.DROPPED]
    assert [seen.connection for seen in upstream.seen] == [1, 1]


async def test_never_reading_leaves_the_body_in_the_socket(upstream: FakeUpstream) -> None:
    upstream.behave(fault=Fault.NEVER_READING)
    async with connected(upstream) as raw:
        raw.send(ASK | {"padding": "x" * 30_000_000})
        await upstream.saw(1)
        assert upstream.seen[0].body == b""
        assert raw.writer.transport.get_write_buffer_size() > 1_000_000
        raw.leave()


@pytest.mark.parametrize("packing", Packing)
@pytest.mark.parametrize("framing", [Framing.CHUNKED, Framing.LENGTH, Framing.CLOSE, Framing.HTTP10])
async def test_a_correct_client_understands_every_correct_shape(
    upstream: FakeUpstream, client: httpx.AsyncClient, packing: Packing, framing: Framing
) -> None:
    upstream.behave(packing=packing, framing=framing, interim=(103,), trailers=True)
    streamed = await client.post("/chat/completions", json=STREAM)
    assert "señor" not in streamed.text
    assert streamed.text.endswith("data: [DONE]\n\n")
    upstream.behave(packing=packing, framing=framing, tokens=6)
    whole = await client.post("/chat/completions", json=ASK)
    assert whole.json()["choices"][0]["message"]["content"] == "The herd of the señor waits"


async def test_large_heads_and_bodies(upstream: FakeUpstream) -> None:
    upstream.behave(head_bytes=300_000, body_bytes=2_000_000, close_after=True)
    async with connected(upstream) as raw:
        raw.send()
        assert len(await raw.all()) > 2_300_000
    assert upstream.completed == 1


async def test_a_slow_reader_holds_the_stream_back() -> None:
    async with FakeUpstream(tokens=50_000) as upstream, connected(upstream) as raw:
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        raw.send(STREAM)
        await upstream.streamed(100)
        for _ in range(1000):  # turns of the loop, in which it could go on
            await asyncio.sleep(0)
        assert upstream.open == 1
        raw.leave()
        await upstream.aborted_count(1)
        assert upstream.seen[0].chunks < 50_000


async def test_bodies_come_chunked_or_after_a_continue_and_requests_pipelined(upstream: FakeUpstream) -> None:
    async with connected(upstream) as raw:
        body = json.dumps(ASK).encode()
        start = b"POST /v1/chat/completions HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        raw.writer.write(start)
        assert await raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.writer.write(b"%x;ext=1\r\n%b\r\n3\r\n   \r\n0\r\nTrailer: x\r\n\r\n" % (len(body), body))
        raw.send(head="Connection: close\r\n")
        assert (await raw.all()).count(b"200 OK") == 2
    assert upstream.seen[0].body == body + b"   "


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nno field\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_not_http_ends_the_connection(upstream: FakeUpstream, nonsense: bytes) -> None:
    async with connected(upstream) as raw:
        raw.writer.write(nonsense)
        assert await raw.all() == b""
    assert upstream.seen == []


async def test_leaving_ends_all_that_is_open() -> None:
    async with FakeUpstream(fault="hang") as upstream, connected(upstream) as raw:
        raw.send()
        await upstream.saw(1)
        await upstream.aclose()
        with contextlib.suppress(ConnectionResetError):
            assert await raw.all() == b""
    assert upstream.seen[0].outcome is Outcome.DROPPED


async def test_a_unix_socket_serves_too(tmp_path: Path) -> None:
    path = str(tmp_path / "fake.sock")
    transport = httpx.AsyncHTTPTransport(uds=path)
    async with FakeUpstream(unix_path=path) as upstream, httpx.AsyncClient(transport=transport) as client:
        assert (await client.post(f"{upstream.url}/chat/completions", json=ASK)).status_code == 200
    async with FakeUpstream(unix_path=path):  # the name is free again
        pass


def test_with_tls_its_url_says_so() -> None:
    assert FakeUpstream(tls=ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), port=9).url == "https://127.0.0.1:9/v1"


async def test_waiting_for_what_does_not_come_tells_the_state(upstream: FakeUpstream) -> None:
    with pytest.raises(TimeoutError, match=r"3 requests \(saw 0"):
        await upstream.saw(3, within_s=0.01)


def test_an_unknown_field_of_behaviour_is_refused(upstream: FakeUpstream) -> None:
    with pytest.raises(msgspec.ValidationError):
        upstream.behave(falt="hang")


async def test_it_runs_as_a_program() -> None:
    arguments = [
        "--port",
        "0",
        "--tokens",
        "2",
        "--ttft-ms",
        "1",
        "--tps",
        "1000",
        "--slots",
        "2",
        "--model",
        "m",
        "--speaks",
        "openai",
    ]
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "remuda.testing.upstream", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    url = (await program.stdout.readline()).decode().strip()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        answer = await client.post("/chat/completions", json=STREAM | {"model": "m"})
        assert answer.text.count('"content"') == 2
    program.send_signal(signal.SIGTERM)
    assert await program.wait() == 0
