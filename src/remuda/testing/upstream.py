"""A fake OpenAI-compatible upstream: a real server that can misbehave down to the byte, and remembers what it saw.

In a test:

    async with FakeUpstream(models=("fake",), tokens=5) as upstream:
        upstream.behave(fault=Fault.DROP_MID_STREAM, after_chunks=2)
        ...  # send requests to upstream.url
        (seen,) = await upstream.saw(1)

As a program: `python -m remuda.testing.upstream --port 9001 --tokens 64 --ttft-ms 50 --tps 30`. Both take orders over
HTTP: `GET`, `POST` (changes) and `DELETE` (back to how it began) on `/_fake/behaviour`, and `GET /_fake/seen`.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

import msgspec

from remuda.testing import answers
from remuda.testing.answers import Answer
from remuda.testing.behaviour import Behaviour, Fault, Strikes
from remuda.testing.gate import Gate, Signal
from remuda.testing.script import Chunk, Drop, End, Hang, Send, Stand, Step, Wait, script
from remuda.testing.seen import Outcome, Seen

MAX_HEAD_BYTES = 1 << 20
DEADLINE_S = 10.0
"""How long a test waits for what must happen: generous, since it is only spent when the test fails."""


@dataclass(slots=True)
class _Counts:
    accepted: int = 0
    connections: set["_Connection"] = field(default_factory=set)
    seen: list[Seen] = field(default_factory=list)
    probes: list[Seen] = field(default_factory=list)


class FakeUpstream:
    """The server. Entering starts it, leaving ends every connection and raises what went wrong inside it.

    `behaviour` may be changed by attribute at any time; a request follows that of the moment its head was read.
    """

    def __init__(
        self,
        *,
        models: Sequence[str] = ("fake",),
        slots: int | None = None,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        unix_path: str | None = None,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **behaviour: Any,
    ) -> None:
        """`slots` requests are answered at a time, the rest wait (None: all at once). With `api_key`, others get 401.
        Further arguments are fields of `Behaviour`: how it behaves from the start and again after `behave()`."""
        self.models = tuple(models)
        self.api_key = api_key
        self.host, self.port, self.unix_path = host, port, unix_path
        self.gate = Gate()
        self._calm = Behaviour().changed(behaviour)
        self.behaviour = self._calm.changed({})
        self._strikes = Strikes()
        self._slots = asyncio.Semaphore(slots) if slots else None
        self._tls = tls
        self._sleep = sleep
        self._counts = _Counts()
        self._signal = Signal()
        self._server: asyncio.Server | None = None
        self._bugs: list[BaseException] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self.unix_path is not None:
            self._server = await loop.create_unix_server(self._connect, self.unix_path, ssl=self._tls)
        else:
            self._server = await loop.create_server(self._connect, self.host, self.port, ssl=self._tls, backlog=1024)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends listening and every connection, in whatever state; an ExceptionGroup tells of bugs of its own."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            if self.unix_path is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.unix_path)
        tasks = [connection.drop() for connection in list(self._counts.connections)]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._signal.until(lambda: not self._counts.connections, lambda: "all connections to close", DEADLINE_S)
        if self._bugs:
            raise BaseExceptionGroup("the fake upstream is broken", self._bugs)

    @property
    def url(self) -> str:
        """The base URL; behind a unix socket its host is a mere name."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://localhost/v1" if self.unix_path else f"{scheme}://{self.host}:{self.port}/v1"

    def behave(self, **changes: Any) -> None:
        """Behaves as from the start but for these fields of `Behaviour`, and counts `every` and `times` anew."""
        self._set_behaviour(self._calm.changed(changes))

    @property
    def seen(self) -> list[Seen]:
        """Every request but probes and orders, in order of arrival."""
        return self._counts.seen

    @property
    def probes(self) -> list[Seen]:
        """The GETs of /health and /v1/models."""
        return self._counts.probes

    @property
    def open(self) -> int:
        """Requests not yet ended."""
        return self._having(Outcome.OPEN)

    @property
    def aborted(self) -> int:
        """Requests whose client left before the end."""
        return self._having(Outcome.ABORTED)

    @property
    def completed(self) -> int:
        """Requests answered in full."""
        return self._having(Outcome.COMPLETED)

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._counts.connections)

    @property
    def accepted(self) -> int:
        """Connections ever accepted."""
        return self._counts.accepted

    async def saw(self, n: int = 1, *, within_s: float = DEADLINE_S) -> list[Seen]:
        """The first `n` requests, once they have come."""
        await self._until(lambda: len(self.seen) >= n, f"{n} requests", within_s)
        return self.seen[:n]

    async def aborted_count(self, n: int = 1, *, within_s: float = DEADLINE_S) -> None:
        """Returns once `n` requests were aborted by their clients."""
        await self._until(lambda: self.aborted >= n, f"{n} aborts", within_s)

    async def completed_count(self, n: int = 1, *, within_s: float = DEADLINE_S) -> None:
        """Returns once `n` requests were answered in full."""
        await self._until(lambda: self.completed >= n, f"{n} completed", within_s)

    async def idle(self, *, within_s: float = DEADLINE_S) -> None:
        """Returns once no request is open."""
        await self._until(lambda: not self.open, "all requests to end", within_s)

    async def streamed(self, n: int, *, of: int = 1, within_s: float = DEADLINE_S) -> None:
        """Returns once `n` content chunks of request number `of` have left."""
        await self._until(
            lambda: len(self.seen) >= of and self.seen[of - 1].chunks >= n, f"{n} chunks of request {of}", within_s
        )

    async def connection_count(self, n: int, *, within_s: float = DEADLINE_S) -> None:
        """Returns once exactly `n` connections are open."""
        await self._until(lambda: self.connections == n, f"{n} open connections", within_s)

    async def _until(self, holds: Callable[[], bool], what: str, within_s: float) -> None:
        def state() -> str:
            ends = f"{self.open} open, {self.completed} completed, {self.aborted} aborted"
            return f"{what} (saw {len(self.seen)}: {ends}; {self.connections} connections)"

        await self._signal.until(holds, state, within_s)

    def _having(self, outcome: Outcome) -> int:
        return sum(seen.outcome is outcome for seen in self.seen)

    def _set_behaviour(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._strikes = Strikes()

    def _connect(self) -> "_Connection":
        return _Connection(self)

    def _answer(self, seen: Seen, behaviour: Behaviour) -> Answer:
        """What it has to say to a request, faults aside."""
        if seen.path == "/health":
            return answers.whole({"status": "ok"})
        if self.api_key is not None and seen.header("authorization") != f"Bearer {self.api_key}":
            return answers.error(401, "this upstream wants its API key", kind="invalid_request_error")
        if seen.method == "GET":
            return self._told(seen.path)
        if seen.method != "POST":
            return answers.error(405, f"{seen.method} is not spoken here", kind="invalid_request_error")
        return self._inferred(seen, behaviour)

    def _told(self, path: str) -> Answer:
        name = path.removeprefix("/v1/models/")
        if path == "/v1/models":
            return answers.models(self.models)
        if name in self.models:
            return answers.model(name)
        return answers.error(404, f"nothing at {path}", kind="invalid_request_error")

    def _inferred(self, seen: Seen, behaviour: Behaviour) -> Answer:
        try:
            ask = seen.json()
        except msgspec.DecodeError as error:
            return answers.error(400, f"no JSON: {error}", kind="invalid_request_error")
        if not isinstance(ask, dict) or ask.get("model") not in self.models:
            return answers.error(404, "no such model here", kind="invalid_request_error")
        match seen.path:
            case "/v1/chat/completions":
                return answers.chat(seen.number, ask, behaviour)
            case "/v1/completions":
                return answers.completion(seen.number, ask, behaviour)
            case "/v1/responses":
                return answers.responses(seen.number, ask, behaviour)
            case "/v1/embeddings":
                return answers.embeddings(ask)
            case "/v1/rerank":
                return answers.rerank(ask)
            case path:
                return answers.error(404, f"nothing at {path}", kind="invalid_request_error")

    def _ordered(self, seen: Seen) -> Answer:
        """Answers what comes in under /_fake."""
        match seen.method, seen.path:
            case "GET", "/_fake/seen":
                return answers.whole(self._report())
            case "GET", "/_fake/behaviour":
                pass
            case "DELETE", "/_fake/behaviour":
                self.behave()
            case "POST", "/_fake/behaviour":
                try:
                    self._set_behaviour(self.behaviour.changed(msgspec.json.decode(seen.body, type=dict[str, Any])))
                except msgspec.DecodeError as error:
                    return answers.error(400, str(error), kind="invalid_request_error")
            case _:
                return answers.error(404, f"no order {seen.method} {seen.path}", kind="invalid_request_error")
        return answers.whole(self.behaviour)

    def _report(self) -> dict[str, Any]:
        listed = [
            {
                "number": seen.number,
                "connection": seen.connection,
                "method": seen.method,
                "path": seen.target,
                "headers": seen.headers,
                "body": seen.body.decode("utf-8", "replace"),
                "started": seen.started,
                "finished": seen.finished,
                "outcome": seen.outcome,
                "chunks": seen.chunks,
            }
            for seen in self.seen
        ]
        counts = {
            "open": self.open,
            "aborted": self.aborted,
            "completed": self.completed,
            "connections": self.connections,
        }
        return counts | {"accepted": self.accepted, "probes": len(self.probes), "seen": listed}


class _Gone(Exception):
    """The client has closed, or said something that is not HTTP."""


class _Connection(asyncio.Protocol):
    """One client's connection: reads requests one after another and performs the script of each answer."""

    transport: asyncio.Transport

    def __init__(self, fake: FakeUpstream) -> None:
        self._fake = fake
        self._reader = asyncio.StreamReader(limit=MAX_HEAD_BYTES)
        self._writable = asyncio.Event()
        self._writable.set()
        self._seen: Seen | None = None
        self._requests = 0
        self._number = 0
        self._lost = False
        self._dropped = False
        self._flushing = False
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        # So that writable means: all of it is in the kernel's hands. Over TLS a limit of nothing is reached by nothing.
        self.transport.set_write_buffer_limits(high=1 if self._fake._tls else 0, low=0)
        self._reader.set_transport(self.transport)
        counts = self._fake._counts
        counts.accepted += 1
        counts.connections.add(self)
        self._number = counts.accepted
        self._task = asyncio.get_running_loop().create_task(self._serve(), name=f"fake connection {self._number}")
        self._task.add_done_callback(self._ended)
        self._fake._signal.changed()

    def data_received(self, data: bytes) -> None:
        self._reader.feed_data(data)

    def eof_received(self) -> bool:
        return False  # a client that half-closes has left

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
        if self._flushing:  # said here and not by the task, which the client's closing might overtake
            self._finish(Outcome.COMPLETED)

    def connection_lost(self, error: Exception | None) -> None:
        self._reader.feed_eof()
        self._finish(Outcome.DROPPED if self._dropped else Outcome.ABORTED)
        if self._task is not None:
            self._task.cancel()
        self._lost = True
        self._forget()

    def drop(self, *, reset: bool = False) -> asyncio.Task[None]:
        """Ends the connection from this side, at once."""
        self._dropped = True
        if reset:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
        assert self._task is not None
        return self._task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._fake._bugs.append(bug)
            self.transport.abort()
        self._forget()

    def _forget(self) -> None:
        """Counts as open until the socket is closed and the task has given back what it held."""
        if self._lost and self._task is not None and self._task.done():
            self._fake._counts.connections.discard(self)
            self._fake._signal.changed()

    def _finish(self, outcome: Outcome) -> None:
        seen, self._seen = self._seen, None
        if seen is not None and seen.outcome is Outcome.OPEN:
            seen.outcome = outcome
            seen.finished = asyncio.get_running_loop().time()
        self._fake._signal.changed()

    async def _serve(self) -> None:
        with contextlib.suppress(_Gone):
            while await self._one():
                pass
        if not self.transport.is_closing():
            self.transport.close()

    async def _one(self) -> bool:
        """Reads one request and answers it. False: the connection is not to be used again."""
        method, target, headers = await self._head()
        fields = {name.lower(): value for name, value in headers}
        seen = Seen(0, self._number, method, target, headers, b"", asyncio.get_running_loop().time())
        order = seen.path.startswith("/_fake/")
        probe = method == "GET" and (seen.path == "/health" or seen.path.startswith("/v1/models"))
        fake, behaviour, fault = self._fake, self._fake.behaviour.changed({}), Fault.NONE
        if not order and (not probe or behaviour.probes_too):
            fault = fake._strikes.next(behaviour, reused=self._requests > 0)
        self._requests += 1
        if fault is Fault.NEVER_READING:
            self.transport.pause_reading()
        else:
            seen.body = await self._body(fields)
        if not order:
            kept = fake.probes if probe else fake.seen
            kept.append(seen)
            seen.number = len(kept)
        self._seen, self._flushing = seen, False
        fake._signal.changed()
        if order:
            keep = await self._perform(seen, fake._ordered(seen), Behaviour(), Fault.NONE)
        else:
            async with fake._slots if fake._slots and not probe else contextlib.nullcontext():
                keep = await self._perform(seen, self._said(seen, behaviour, fault), behaviour, fault)
        return keep and fields.get("connection", "").lower() != "close"

    def _said(self, seen: Seen, behaviour: Behaviour, fault: Fault) -> Answer:
        if fault is Fault.ERROR:
            kind = "server_error" if behaviour.status >= 500 else "invalid_request_error"
            return answers.error(behaviour.status, "as told", kind=kind, retry_after_s=behaviour.retry_after_s)
        if fault is Fault.NEVER_READING:
            return answers.whole(None)
        return self._fake._answer(seen, behaviour)

    async def _perform(self, seen: Seen, answer: Answer, behaviour: Behaviour, fault: Fault) -> bool:
        for step in script(answer, behaviour, fault):
            if isinstance(step, End):
                if not self._writable.is_set():
                    self._flushing = True
                    await self._writable.wait()
                self._finish(Outcome.COMPLETED)
                return step.keep
            if isinstance(step, Drop):
                await self._writable.wait()
                self.drop(reset=behaviour.reset)
                return False
            await self._do(step, seen)
        raise AssertionError("a script ends")

    async def _do(self, step: Step, seen: Seen) -> None:
        match step:
            case Send(data):
                await asyncio.sleep(0)  # others get their turn, and each write its own packet
                await self._writable.wait()
                self.transport.write(data)
            case Chunk(count):
                seen.chunks = count
                self._fake._signal.changed()
            case Wait(seconds) if seconds > 0:
                await self._fake._sleep(seconds)
            case Stand(place):
                await self._fake.gate.passing(place)
            case Hang():
                await asyncio.get_running_loop().create_future()

    async def _head(self) -> tuple[str, str, list[tuple[str, str]]]:
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            start, *lines = head.decode("latin-1").split("\r\n")[:-2]
            method, target, _ = start.split(" ")
            pairs = [line.split(":", 1) for line in lines]
            return method, target, [(name, value.strip()) for name, value in pairs]
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            raise _Gone from None

    async def _body(self, fields: dict[str, str]) -> bytes:
        if fields.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            if fields.get("transfer-encoding", "").lower() == "chunked":
                return await self._chunked()
            return await self._reader.readexactly(int(fields.get("content-length", "0")))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            raise _Gone from None

    async def _chunked(self) -> bytes:
        body = b""
        while size := int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return body


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a fake upstream until it is interrupted; its first line of output is the base URL."""
    parser = argparse.ArgumentParser(
        prog="python -m remuda.testing.upstream", description="A fake model server for tests and demonstrations."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9001, help="0 takes a free one")
    parser.add_argument("--unix", metavar="PATH", help="listen on a unix socket instead")
    parser.add_argument("--model", action="append", metavar="NAME", help="repeatable; default: fake")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of an answer")
    parser.add_argument("--ttft-ms", type=float, default=0.0, help="time to the first token")
    parser.add_argument("--tps", type=float, default=0.0, help="tokens per second; 0: as fast as it can")
    parser.add_argument("--slots", type=int, help="requests answered at a time; default: all")
    parser.add_argument("--api-key", help="the key it demands")
    parser.add_argument("--speaks", choices=("openai",), default="openai", help="the dialect")
    given = parser.parse_args(arguments)
    fake = FakeUpstream(
        models=given.model or ("fake",),
        slots=given.slots,
        api_key=given.api_key,
        host=given.host,
        port=given.port,
        unix_path=given.unix,
        tokens=given.tokens,
        ttft_s=given.ttft_ms / 1000,
        token_delay_s=1 / given.tps if given.tps else 0.0,
    )
    asyncio.run(_run(fake))


async def _run(fake: FakeUpstream) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # not on Windows: there an interrupt ends it as any program
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with fake:
        sys.stdout.write(f"{fake.url}\n")
        sys.stdout.flush()
        await stopped.wait()


if __name__ == "__main__":
    main()
