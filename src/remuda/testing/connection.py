"""One client's connection to a fake upstream: requests in, the steps of their answers out."""

import asyncio
import contextlib
import hashlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, cast

from remuda.testing import answers
from remuda.testing.answers import Answer
from remuda.testing.behaviour import Behaviour, Fault
from remuda.testing.script import Chunk, Drop, End, Hang, Send, Stand, Step, Wait, script
from remuda.testing.seen import Outcome, Seen

if TYPE_CHECKING:
    from remuda.testing.upstream import FakeUpstream

MAX_HEAD_BYTES: Final = 1 << 20
_PROBED: Final = frozenset(
    {
        "/",
        "/api/ps",
        "/api/show",
        "/api/tags",
        "/api/version",
        "/health",
        "/props",
        "/slots",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/version",
    }
)


def is_probe(method: str, path: str) -> bool:
    """Whether a request asks what the server is and has, rather than for an answer of a model."""
    return (method == "GET" and (path in _PROBED or path.startswith("/v1/models"))) or path == "/api/show"


def is_order(path: str) -> bool:
    """Whether a request tells the fake how to behave, or asks what it has seen."""
    return path.startswith("/_fake/")


def is_file(path: str) -> bool:
    """Whether what is sent there is a file: it may be longer than anybody keeps in memory."""
    return path.startswith("/api/blobs/")


class _Gone(Exception):
    """The client has closed, or said something that is not HTTP."""


class Connection(asyncio.Protocol):
    """One client's connection: reads requests one after another and performs the script of each answer."""

    transport: asyncio.Transport

    def __init__(self, fake: "FakeUpstream") -> None:
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
        order = is_order(seen.path)
        probe = is_probe(method, seen.path)
        fake, behaviour, fault = self._fake, self._fake.behaviour.changed({}), Fault.NONE
        if not order and (not probe or behaviour.probes_too):
            fault = fake._strikes.next(behaviour, reused=self._requests > 0)
        self._requests += 1
        if fault is Fault.NEVER_READING:
            self.transport.pause_reading()
            self._came(seen)
        elif is_file(seen.path):
            self._came(seen)
            seen.digest = await self._digest(fields)
        else:
            seen.body = b"".join([piece async for piece in self._pieces(fields)])
            self._came(seen)
        if order:
            keep = await self._perform(seen, fake._ordered(seen), Behaviour(), Fault.NONE)
        else:
            async with fake._slots if fake._slots and not probe else contextlib.nullcontext():
                keep = await self._perform(seen, self._said(seen, behaviour, fault), behaviour, fault)
        return keep and fields.get("connection", "").lower() != "close"

    def _came(self, seen: Seen) -> None:
        """A request is in, or the head of one whose body nobody keeps."""
        fake = self._fake
        if not is_order(seen.path):
            kept = fake.probes if is_probe(seen.method, seen.path) else fake.seen
            kept.append(seen)
            seen.number = len(kept)
        self._seen, self._flushing = seen, False
        fake._signal.changed()

    def _said(self, seen: Seen, behaviour: Behaviour, fault: Fault) -> Answer:
        if fault is Fault.ERROR:
            return self._fake.speech.error(behaviour.status, "as told", retry_after_s=behaviour.retry_after_s)
        if fault is Fault.NEVER_READING:
            return answers.whole(None)
        if fault is Fault.HTML:
            return answers.page()
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
            case Stand(place) if not is_order(seen.path):
                await self._fake.gate.passing(place, is_probe=is_probe(seen.method, seen.path))
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

    async def _digest(self, fields: dict[str, str]) -> str:
        digest = hashlib.sha256()
        async for piece in self._pieces(fields):
            digest.update(piece)
        return f"sha256:{digest.hexdigest()}"

    async def _pieces(self, fields: dict[str, str]) -> AsyncIterator[bytes]:
        """The request's body as it comes."""
        if fields.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            if fields.get("transfer-encoding", "").lower() != "chunked":
                async for piece in self._exactly(int(fields.get("content-length", "0"))):
                    yield piece
                return
            while size := int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16):
                async for piece in self._exactly(size):
                    yield piece
                await self._reader.readexactly(2)
            while await self._reader.readuntil(b"\r\n") != b"\r\n":
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            raise _Gone from None

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size:
            piece = await self._reader.read(size)
            if not piece:
                raise _Gone
            size -= len(piece)
            yield piece


class Refused(asyncio.Protocol):
    """A connection to a fake that has ended."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
