"""Connections to the servers that answer: a small pool over asyncio protocols and llhttp's response parser.

Not a general HTTP client: one request at a time on a connection, a body that is already there, abort = close. Framing
is checked strictly (llhttp refuses duplicate or contradictory lengths and bare line ends); an answer that ends early
is a fault, never an end.
"""

import asyncio
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Final, NamedTuple, Protocol, cast

import httptools

from remuda.core.address import Address
from remuda.core.faults import Fault, StreamCut, UpstreamFailed
from remuda.gateway.drive import Signal
from remuda.outbound.addresses import AddressRefused, Resolve, resolved
from remuda.wire.heads import KnownHeads

EARLY_BODY_BYTES: Final = 256 * 1024
"""How much of an answer is held for a relay that has not attached yet before reading stops."""
MAX_HEAD_BYTES: Final = 64 * 1024
"""An upstream's response head beyond this is refused."""
IDLE_CONNECTIONS: Final = 1024
"""Idle connections kept per address, for half a minute and at some 3 KiB each; slots bound how many are in use."""

WHOLE_BYTES: Final = 256 * 1024
"""What one read brings at most: a longer answer never comes whole in one."""

PASSED_HEADERS: Final = frozenset(
    {b"content-type", b"content-encoding", b"content-language", b"retry-after", b"openai-processing-ms"}
)
"""Upstream headers a client gets to see. The rest is hop-by-hop, ours to say, or the upstream's own business."""


class Head(NamedTuple):
    """What is made of the usual head of a whole answer: status 200, and a length."""

    lines: bytes
    """As `UpstreamConnection.header_lines`."""
    retry_after: bytes
    is_event_stream: bool
    keep_alive: bool


class Receiver(Protocol):
    """Takes an answer's body as it comes, by callbacks on the event loop; must not raise."""

    def body(self, data: bytes) -> None:
        """A piece of the body: all that one read brought."""
        ...

    def end(self) -> None:
        """The answer is complete."""
        ...

    def cut(self, fault: Fault) -> None:
        """The answer will not be completed."""
        ...


class Outbox:
    """Requests to upstreams, written together once all that a turn of the event loop has brought was looked at.

    With answers to clients among them the processes at the two ends would be woken by turns, again and again; waking
    one costs more than a write. Apart, each is woken once and finds all there is. Under load this takes a fifth off the
    CPU of a request, and nothing is held back for it: the next turn begins with the writes.
    """

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[UpstreamConnection, bytes]] = []

    def put(self, connection: "UpstreamConnection", request: bytes) -> None:
        """Write `request` to `connection` before anything else is waited for."""
        if not self._waiting:
            self._loop.call_soon(self._write)
        self._waiting.append((connection, request))

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        for connection, request in waiting:
            connection.write(request)


class UpstreamConnection(asyncio.Protocol):
    """One connection to an upstream: sends a request, parses the answer, hands its body to a receiver."""

    __slots__ = (
        "_early_bytes",
        "_fault",
        "_framing",
        "_head",
        "_head_bytes",
        "_is_reusable",
        "_keep_alive",
        "_loop",
        "_outbox",
        "_parser",
        "_parts",
        "_paused",
        "_pool",
        "_receiver",
        "_transport",
        "content_length",
        "header_lines",
        "idle_since",
        "is_complete",
        "is_event_stream",
        "is_open",
        "reads",
        "requests",
        "retry_after",
        "status",
    )

    def __init__(self, pool: "Pool", loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop
        self._outbox = pool.outbox
        self._transport: asyncio.Transport
        self.is_open = False
        self.requests = 0
        """How many requests this connection has carried; above 1 it was reused and may have gone stale."""
        self.reads = 0
        """How many reads brought bytes of the present answer: tells a watcher whether the upstream is silent."""
        self.idle_since = 0.0
        self._head: Signal | None = None
        """Set when the answer's head is in; None while no request is under way."""
        self._is_reusable = True
        self._parser = httptools.HttpResponseParser(self)
        self._receiver: Receiver | None = None
        self._parts: list[bytes] = []
        self._early_bytes = 0
        self._head_bytes = 0
        self._fault: Fault | None = None
        self._framing = b""
        self._keep_alive = False
        self._paused = False
        self.status = 0
        self.header_lines = b""
        """The headers that a client gets to see, as lines of a head."""
        self.is_event_stream = False
        """Whether the answer's body is server-sent events."""
        self.retry_after = b""
        self.content_length: int | None = None
        self.is_complete = False

    # The gateway's side

    def send(self, request: bytes, *, is_reusable: bool = True) -> Signal:
        """Write a whole request. The signal is set when the answer's head is in (or raises a Fault); `is_reusable` says
        whether this server allows another request on a connection that has carried this one."""
        if self.requests:  # what the answer before has left; a connection that was in any trouble is not kept
            self._early_bytes = self._head_bytes = 0
            self._framing = self.header_lines = self.retry_after = b""
            self.content_length = None
            self.is_complete = self.is_event_stream = False
        self.requests += 1
        self.reads = 0
        self._is_reusable = is_reusable
        self._head = head = Signal()
        self._outbox.put(self, request)
        return head

    def write(self, request: bytes) -> None:
        """Write at once, unless the connection has been given up meanwhile."""
        if self.is_open:
            self._transport.write(request)
        elif self._head is not None:  # lost after it was made and before it was sent anything: nobody was told of it
            self._lost(self._fault or _hang_up())

    def __enter__(self) -> "UpstreamConnection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the connection back, or close it where the answer broke off."""
        self.release(is_reusable=kind is None)

    def attach(self, receiver: Receiver) -> None:
        """Hand the body to `receiver`: what came already at once, the rest as it comes."""
        self._receiver = receiver
        parts, self._parts = self._parts, []
        if parts:
            receiver.body(b"".join(parts))
        if self.is_complete:
            receiver.end()
        elif self._fault is not None:
            receiver.cut(self._fault)
        elif self._paused:
            self.resume_reading()

    def take_body(self) -> bytes:
        """The body of a complete answer that no receiver took."""
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def pause_reading(self) -> None:
        """Let the upstream wait: the client does not keep up."""
        if not self._paused and self.is_open:
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        if self._paused and self.is_open:
            self._paused = False
            self._transport.resume_reading()

    def release(self, *, is_reusable: bool = True) -> None:
        """Give the connection back: kept for reuse where the answer is complete and allows it, else closed."""
        self._receiver = None
        self._head = None
        if is_reusable and self.is_complete and self._keep_alive and self._is_reusable and self.is_open:
            self.resume_reading()  # an end that came while others were to be read first, or the client did not keep up
            if self._parts:
                self._parts = []  # an answer that nobody took
            self._pool.keep(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once; the upstream learns of it by the closed connection."""
        self._receiver = None
        if self.is_open:
            self.is_open = False
            self._transport.abort()

    # The event loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own classes do not derive from it
        self._transport.set_write_buffer_limits(high=0)  # uvloop before 0.22 would put it off once more
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        self.reads += 1
        receiver = self._receiver
        if receiver is None and self._head is None and not self.status:
            self._lost(UpstreamFailed("the model's server sent bytes that nobody asked for"))
            return
        head = self._head
        is_first = head is not None and not self._head_bytes  # with what comes the answer begins
        if head is not None and is_first and (known := self._pool.heads.find(data)) is not None:
            self._head = None
            self._take_known(*known)
            head.set()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._lost(UpstreamFailed(f"the model's server sent a malformed answer ({_cause(error)})"))
            return
        if receiver is None:
            head = self._head
            if self.is_complete and head is not None:  # a whole answer in one read
                self._head = None
                if is_first:
                    self._learn(data)
                head.set()
            else:
                self._hold(len(data))
            return
        parts = self._parts
        if parts:
            # What one read brought is passed on as one piece.
            if len(parts) == 1:
                receiver.body(parts.pop())
            else:
                body = b"".join(parts)
                parts.clear()
                receiver.body(body)
        if self.is_complete:
            receiver.end()

    def _take_known(self, head: Head, body: bytes) -> None:
        """A whole answer whose head has come before: there is nothing to parse."""
        self.header_lines, self.retry_after, self.is_event_stream, self._keep_alive = head
        self.status = 200
        self._framing = b"length"
        self.content_length = len(body)
        self._parts.append(body)
        self.is_complete = True

    def _learn(self, data: bytes) -> None:
        """Keep what was made of the head of `data`, which was one whole answer, if it is a usual one."""
        if self.status == 200 and self._framing == b"length" and data[8:13] == b" 200 ":
            head = Head(self.header_lines, self.retry_after, self.is_event_stream, self._keep_alive)
            self._pool.heads.keep(data, head)

    def _hold(self, size: int) -> None:
        """Keep what came before a relay attached, within bounds, and wake whoever waits for the head."""
        if not self.status:
            self._head_bytes += size
            if self._head_bytes > MAX_HEAD_BYTES:
                self._lost(UpstreamFailed("the model's server sent a response head that is too large"))
            return
        self._early_bytes += size
        if self._early_bytes > EARLY_BODY_BYTES and not self.is_complete:
            self.pause_reading()
        head = self._head
        if head is not None:
            self._head = None
            head.set()

    def eof_received(self) -> bool:
        self._ended(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._pool.forget(self)
        self._ended(exc)

    def _ended(self, exc: Exception | None) -> None:
        if self.is_complete or self._fault is not None:
            return
        if exc is None and self.status and self._framing == b"close":
            self.is_complete = True
            if self._receiver is not None:
                self._receiver.end()
            return
        if self.status:
            self._lost(StreamCut())
        else:
            self._lost(_hang_up())

    def _lost(self, fault: Fault) -> None:
        self._fault = fault
        head, self._head = self._head, None
        receiver, self._receiver = self._receiver, None
        self.abort()
        if head is not None:
            head.set(fault)
        if receiver is not None:
            receiver.cut(fault)

    # The parser's side: what raises here comes out of `feed_data`, wrapped, as a malformed answer

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise ValueError("more than one answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length":
            self._framing = b"length"
            self.content_length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise ValueError("a Transfer-Encoding other than chunked")
            self._framing = b"chunked"
        elif name in PASSED_HEADERS:
            self.header_lines += b"%b: %b\r\n" % (name, value)
            if name == b"content-type":
                self.is_event_stream = value[:17].lower() == b"text/event-stream"
            elif name == b"retry-after":
                self.retry_after = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        self.status = status
        self._keep_alive = self._parser.should_keep_alive()
        if not self._framing:
            self._framing = b"none" if status in (204, 304) else b"close"

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        if self.status:
            self.is_complete = True
        else:  # the end of a 1xx answer: the real one follows
            self._framing = self.header_lines = self.retry_after = b""
            self.content_length = None


def _hang_up() -> UpstreamFailed:
    fault = UpstreamFailed("the model's server closed the connection without an answer")
    fault.is_hang_up = True
    return fault


def _cause(error: Exception) -> str:
    return str(error.__context__ or error)[:120]


class Pool:
    """Connections to one address: idle ones are reused, last in first out."""

    __slots__ = ("_idle", "_loop", "_resolve", "_ssl", "address", "connect_timeout_s", "heads", "outbox")

    def __init__(
        self,
        address: Address,
        loop: asyncio.AbstractEventLoop,
        *,
        connect_timeout_s: float = 5.0,
        ssl_context: ssl.SSLContext | None = None,
        outbox: Outbox | None = None,
        resolve: Resolve = resolved,
    ) -> None:
        """`resolve` is asked where an address that was given leads, at each connection."""
        self.address = address
        self.connect_timeout_s = connect_timeout_s
        self.outbox = outbox or Outbox(loop)
        """Shared by all pools of one event loop."""
        self._loop = loop
        self._resolve = resolve
        self._ssl = ssl_context if ssl_context is not None or not address.is_tls else ssl.create_default_context()
        self._idle: list[UpstreamConnection] = []
        self.heads = KnownHeads[Head](WHOLE_BYTES)
        """Of answers that came whole."""

    def __len__(self) -> int:
        return len(self._idle)

    def take(self) -> UpstreamConnection | None:
        """An idle connection, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def dial(self) -> UpstreamConnection:
        """A new connection; raises UpstreamFailed."""
        address = self.address
        try:
            async with asyncio.timeout(self.connect_timeout_s):
                if address.socket_path is not None:
                    _, connection = await self._loop.create_unix_connection(self._connection, address.socket_path)
                elif address.is_given:
                    connection = await self._reached_checked()
                else:
                    connection = await self._reached(address.host)
        except TimeoutError as error:
            fault = UpstreamFailed("the model's server did not accept a connection in time")
            fault.is_unsent = True
            raise fault from error
        except (OSError, AddressRefused) as error:
            fault = UpstreamFailed(f"the model's server cannot be reached ({type(error).__name__})")
            # Somebody with a wrong certificate, or whom we may not ask, is there, and will be no other in a while.
            fault.is_unsent = not isinstance(error, ssl.SSLError | AddressRefused)
            raise fault from error
        return connection

    async def _reached(self, host: str) -> UpstreamConnection:
        _, connection = await self._loop.create_connection(
            self._connection,
            host,
            self.address.port,
            ssl=self._ssl,
            server_hostname=self.address.host if self._ssl else None,
        )
        return connection

    async def _reached_checked(self) -> UpstreamConnection:
        """A connection to the first of the name's addresses that takes one: `localhost` is two on most machines, and
        many servers listen at one of them. Each but the last has an equal share of the time."""
        *others, last = await self._resolve(self.address.host, self.address.port)
        for host in others:
            with suppress(OSError):  # TimeoutError is one, too
                async with asyncio.timeout(self.connect_timeout_s / (len(others) + 1)):
                    return await self._reached(host)
        return await self._reached(last)

    def keep(self, connection: UpstreamConnection) -> None:
        """Keep a connection for reuse, up to the bound."""
        if len(self._idle) >= IDLE_CONNECTIONS:
            connection.abort()
            return
        connection.idle_since = self._loop.time()
        connection.status = 0
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """An idle connection has closed."""
        if self._idle and connection in self._idle:
            self._idle.remove(connection)

    def close_idle(self, before: float | None = None) -> None:
        """Close idle connections: all, or those idle since before loop time `before`."""
        for connection in self._idle[:]:
            if before is None or connection.idle_since < before:
                self._idle.remove(connection)
                connection.abort()

    def _connection(self) -> UpstreamConnection:
        return UpstreamConnection(self, self._loop)
