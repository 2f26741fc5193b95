"""The gateway is told to stop under load: what runs ends well, what is new is refused, and the journal knows all."""

import asyncio
import contextlib
import signal
import sqlite3
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from remuda.app.exits import Exit
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.parts import missing
from tests.fixtures.process import RemudaProcess, remuda_serve
from tests.fixtures.raw import ASK, DEADLINE_S, STREAM, RawAnswer, RawClient, certificate_in, get, post

LONG = "600"
"""Seconds of grace: longer than any test waits."""
RUNNING = 8


class Served:
    """A gateway process in front of a fake, seen from this event loop."""

    def __init__(self, process: RemudaProcess, url: str, upstream: FakeUpstream) -> None:
        self.process = process
        self.port = urlsplit(url).port or 0
        self.upstream = upstream

    async def ended(self) -> int:
        """Its exit code."""
        return await asyncio.to_thread(self.process.ended)

    async def begins_to_end(self, idle: RawClient, number: int = signal.SIGTERM) -> None:
        """Tell it to stop, and wait until it has begun: then idle connections are closed."""
        self.process.signal(number)
        assert await idle.ended() == b""

    def journal(self) -> Counter[tuple[str, int]]:
        """Each request that its journal holds, by id and status."""
        with contextlib.closing(sqlite3.connect(self.process.data / "remuda.db")) as store:
            return Counter(store.execute("select request_id, status from journal").fetchall())


@contextlib.asynccontextmanager
async def served(data: Path, *arguments: str | Path, grace: str = LONG, **values: Any) -> AsyncIterator[Served]:
    async with FakeUpstream(**values) as upstream:
        address = ("--upstream", upstream.url)
        with remuda_serve(data, *address, *arguments, REMUDA_SERVER__SHUTDOWN_GRACE_S=grace) as process:
            url = await asyncio.to_thread(lambda: process.url)
            await asyncio.to_thread(process.wait_for, "Ctrl-C ends it")
            yield Served(process, url, upstream)
            upstream.gate.release()


async def greeted(stack: contextlib.AsyncExitStack, gateway: Served) -> RawClient:
    """A connection that has been answered once and is kept."""
    client = await stack.enter_async_context(RawClient(gateway.port))
    client.say(get("/livez"))
    assert (await client.answer()).status == 200
    return client


def named(name: str, body: bytes) -> bytes:
    return post(body, f"X-Request-ID: {name}")


async def test_told_to_stop_under_load_it_finishes_what_runs_and_refuses_what_is_new(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway, contextlib.AsyncExitStack() as stack:
        idle, begun, late = [await greeted(stack, gateway) for _ in range(3)]
        clients = [await greeted(stack, gateway) for _ in range(RUNNING)]
        gateway.upstream.gate.hold(after_chunks=2)
        for number, client in enumerate(clients):
            client.say(named(f"n{number}", STREAM))
        # Four run, as many wait for a slot; and one is not whole yet.
        await gateway.upstream.gate.reached(4)
        for client in clients[:4]:
            await client.events(1)
        whole = named("late", ASK)
        begun.say(whole[:-10])
        late.say(named("one-of-two", STREAM), named("two-of-two", STREAM))
        await gateway.begins_to_end(idle)
        begun.say(whole[-10:])
        refused = await begun.answer()
        assert (refused.status, refused.error["code"]) == (503, "shutting_down")
        assert refused.header("connection") == "close"
        assert int(refused.header("retry-after") or "") >= 1
        assert await begun.ended() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", gateway.port)
        gateway.upstream.gate.release()
        for number, client in enumerate(clients):
            rest = await client.ended()
            assert rest.count(b"[DONE]") == 1, number
            assert b'"error"' not in rest
        answers = await late.ended()
        assert answers.count(b"[DONE]") == 1
        assert b"HTTP/1.1 503" in answers, "what waited behind another on its connection is new too"
        assert await gateway.ended() == 0
        asked = [f"n{number}" for number in range(RUNNING)]
        expected = dict.fromkeys([(name, 200) for name in (*asked, "one-of-two")], 1)
        assert gateway.journal() == expected | {("late", 503): 1, ("two-of-two", 503): 1}
        assert gateway.upstream.completed == RUNNING + 1
        assert "Traceback" not in gateway.process.output


async def test_what_outlasts_the_grace_is_told_so(tmp_path: Path) -> None:
    async with served(tmp_path, grace="1") as gateway, contextlib.AsyncExitStack() as stack:
        idle, streaming, waiting = [await greeted(stack, gateway) for _ in range(3)]
        gateway.upstream.gate.hold(after_chunks=2)
        streaming.say(named("streamed", STREAM))
        await gateway.upstream.gate.reached(1)
        gateway.upstream.behave(fault="hang")
        waiting.say(named("whole", ASK))
        await gateway.upstream.saw(2)
        await gateway.begins_to_end(idle)
        await assert_told(streaming, waiting)
        assert await gateway.ended() == 0
        assert gateway.journal() == {("streamed", 200): 1, ("whole", 503): 1}


async def assert_told(streaming: RawClient, waiting: RawClient | None = None) -> None:
    """Both are ended for that reason: the stream by an event."""
    cut: RawAnswer = await streaming.answer()
    assert cut.is_whole
    assert cut.events[-1]["error"]["code"] == "shutting_down"
    assert "[DONE]" not in cut.events
    if waiting is not None:
        refused = await waiting.answer()
        assert (refused.status, refused.error["code"]) == (503, "shutting_down")


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (signal.SIGTERM, signal.SIGTERM, Exit.OK),
        (signal.SIGTERM, signal.SIGINT, Exit.INTERRUPTED),
        (signal.SIGINT, signal.SIGINT, Exit.INTERRUPTED),
    ],
)
async def test_told_twice_it_ends_at_once(
    tmp_path: Path, first: signal.Signals, second: signal.Signals, code: Exit
) -> None:
    async with served(tmp_path) as gateway, contextlib.AsyncExitStack() as stack:
        idle, streaming = [await greeted(stack, gateway) for _ in range(2)]
        gateway.upstream.gate.hold(after_chunks=2)
        streaming.say(named("streamed", STREAM))
        await gateway.upstream.gate.reached(1)
        await gateway.begins_to_end(idle, first)
        gateway.process.signal(second)
        await assert_told(streaming)
        assert await gateway.ended() == code
        await gateway.upstream.aborted_count(1)
        assert gateway.journal() == {("streamed", 200): 1}
        assert "Traceback" not in gateway.process.output


async def test_a_connection_that_comes_about_when_it_ends_does_not_hold_it_up(tmp_path: Path) -> None:
    certificate = certificate_in(tmp_path)
    if certificate is None:
        missing("openssl")
    assert certificate is not None
    tls = ssl.create_default_context(cafile=str(certificate))
    files = ("--tls-cert", certificate, "--tls-key", tmp_path / "key.pem")
    async with served(tmp_path / "d", *files) as gateway:
        early, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", gateway.port, ssl=tls)
        gateway.process.signal()
        assert await idle.read() == b""
        with contextlib.suppress(ConnectionError):
            await writer.start_tls(tls)
            async with asyncio.timeout(DEADLINE_S):  # far below the time for which an idle connection is kept
                assert await early.read() == b""
        assert await gateway.ended() == 0
        for each in (writer, idle_writer):
            each.close()
