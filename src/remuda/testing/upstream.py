"""A fake upstream: a real server that can misbehave down to the byte, and remembers what it saw.

It plays an OpenAI-compatible server, or with `speaks` a vLLM, an Ollama or llama.cpp's server.

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
import ssl
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import msgspec

from remuda.testing import answers
from remuda.testing.answers import Answer
from remuda.testing.behaviour import Behaviour, Strikes
from remuda.testing.connection import Connection, Refused
from remuda.testing.gate import Gate, Signal
from remuda.testing.seen import Outcome, Seen
from remuda.testing.speech import SPEECHES

TURNS = 3
"""Turns of the event loop from an accepted connection to its end."""
DEADLINE_S = 10.0
"""How long a test waits for what must happen: generous, since it is only spent when the test fails."""


@dataclass(slots=True)
class _Counts:
    accepted: int = 0
    connections: set[Connection] = field(default_factory=set)
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
        speaks: str = "openai",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **behaviour: Any,
    ) -> None:
        """`slots` requests are answered at a time, the rest wait (None: all at once). With `api_key`, others get 401.
        `speaks` is the kind of server it plays: `openai`, `vllm`, `ollama` or `llama.cpp`; all have OpenAI's API.
        Further arguments are fields of `Behaviour`: how it behaves from the start and again after `behave()`."""
        self.speech = SPEECHES[speaks](models, slots)
        """What it says; may be changed while it runs."""
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
            # asyncio forgets to close what it has accepted when its server is closed before it makes a connection of
            # it: so it accepts no more, and gets the time to make those connections.
            for listener in server.sockets:
                asyncio.get_running_loop().remove_reader(listener.fileno())
            for _ in range(TURNS):
                await asyncio.sleep(0)
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
    def models(self) -> tuple[str, ...]:
        """The models it has."""
        return self.speech.models

    @models.setter
    def models(self, models: Sequence[str]) -> None:
        self.speech.models = tuple(models)

    @property
    def root(self) -> str:
        """The URL below which the APIs stand that are not OpenAI's."""
        return self.url.removesuffix("/v1")

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
        """The questions what it is and has: GETs of /health, /v1/models, /props and the like."""
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

    def _connect(self) -> asyncio.Protocol:
        # A connection that the system had accepted when listening ended is nobody's any more.
        return Connection(self) if self._server is not None else Refused()

    def _answer(self, seen: Seen, behaviour: Behaviour) -> Answer:
        """What it has to say to a request, faults aside."""
        if seen.path == "/health":
            return answers.whole({"status": "ok"})
        if self.api_key is not None and seen.header("authorization") != f"Bearer {self.api_key}":
            return self.speech.error(401, "this upstream wants its API key")
        return self.speech.answer(seen, behaviour)

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
    parser.add_argument("--speaks", choices=sorted(SPEECHES), default="openai", help="the kind of server")
    given = parser.parse_args(arguments)
    fake = FakeUpstream(
        models=given.model or ("fake",),
        slots=given.slots,
        api_key=given.api_key,
        host=given.host,
        port=given.port,
        unix_path=given.unix,
        speaks=given.speaks,
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
