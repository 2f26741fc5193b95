"""The fast lane's server side: uvicorn's own HTTP protocol class, extended (ADR 0001).

An inference POST is taken off as soon as its head is in and handed to the gateway when its body is complete; every
other request goes on to ASGI as usual. An exchange plays the part of uvicorn's cycle, so uvicorn's pipelining and
graceful shutdown hold for both. What uvicorn 0.54 leaves open is closed here for both ways: the size and the time of
a request head, the time of a body, and idle connections, all by one sweep a second instead of a timer per request.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any, Final, NamedTuple, Protocol

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from remuda.core.faults import (
    BodyTooLarge,
    ClientGone,
    Fault,
    HeadTooLarge,
    InvalidRequest,
    RequestTimeout,
)
from remuda.gateway.exchange import Exchange
from remuda.gateway.face import LaneRoute
from remuda.gateway.headers import STANDING_HEADERS, block_of
from remuda.gateway.outlet import Outlet
from remuda.wire.heads import KnownHeads

PIPELINED_BYTES: Final = 64 * 1024
"""Bytes of further requests taken while one is being answered; beyond, reading stops and so does noticing that the
client left (a client that pipelines this much waits for its answers)."""
UNASKED_DIGITS: Final = 6
"""A body whose length has fewer digits (below 100 kB) is taken in before its caller is looked at: with all else."""
OF_ITS_OWN: Final = frozenset((b"x-request-id", b"traceparent", b"expect", b"transfer-encoding", b"upgrade"))
"""Headers by which a request's head is like no other, or needs a second look."""
CHECK_S: Final = 1.0
"""How often connections are looked at; the sweep comes by more often, and tells the time by which they are judged."""
LINGER_S: Final = 2.0
"""How long a refused request's remaining bytes are read and dropped, so that the refusal is not lost to a reset."""


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Bounds on what a client may send, and how slowly."""

    head_bytes: int = 32 * 1024
    body_bytes: int = 32 * 1024 * 1024
    head_s: float = 10.0
    body_s: float = 60.0
    """Between two pieces of a body."""
    keep_alive_s: float = 75.0
    stalled_s: float = 120.0
    """How long a client may leave its answer unread."""

    @property
    def small_digits(self) -> int:
        """A body whose length has fewer digits is within all bounds and taken in unasked."""
        return min(UNASKED_DIGITS, len(str(self.body_bytes)))


class Head(NamedTuple):
    """What is made of the usual head of a lane request: HTTP/1.1, each name once, on a connection that stays open."""

    route: LaneRoute
    headers: Sequence[tuple[bytes, bytes]]
    fields: Mapping[bytes, bytes]
    """`Content-Length` among them is that of the request the head was seen with first."""


class Taker(Protocol):
    """Who answers what the lane takes in."""

    def accept(self, exchange: Exchange) -> None:
        """A whole request has come in."""
        ...

    def refuse(self, exchange: Exchange, fault: Fault) -> None:
        """A request is refused before it was whole."""
        ...

    def objection(self, exchange: Exchange) -> Fault | None:
        """What speaks against taking in the body of a request whose head is in; None lets it come."""
        ...


class Lane:
    """What all connections of a gateway share: routes, limits, the connections themselves, and the sweep."""

    def __init__(
        self,
        routes: Mapping[str, LaneRoute],
        taker: Taker,
        fallback: LaneRoute,
        limits: LaneLimits,
        monotonic: Callable[[], float],
    ) -> None:
        self.routes = {path.encode(): route for path, route in routes.items()}
        self.taker = taker
        self.fallback = fallback
        """Says what is wrong with a request that came to no lane route."""
        self.limits = limits
        self.monotonic = monotonic
        self.connections: set[LaneProtocol] = set()
        self.is_draining = False
        """The gateway is about to end: what still becomes a connection (a slow TLS handshake) is closed at once."""
        self.addresses: dict[tuple[str, int | None] | None, tuple[str, int | None] | None] = {}
        """Our own that connections have come to, as few as there are."""
        self.dated: list[tuple[bytes, bytes]] = []
        """uvicorn's default headers that `standing_block` was made of."""
        self.standing_block = b""
        """What stands in the head of every answer."""
        self.swept = monotonic()
        """Time of the last sweep: deadlines are coarse, a second more or less does not matter."""
        self._next_check = 0.0
        self.outlet = Outlet(asyncio.get_running_loop())

    @property
    def limits(self) -> LaneLimits:
        """What clients may send, and how slowly."""
        return self._limits

    @limits.setter
    def limits(self, limits: LaneLimits) -> None:
        self._limits = limits
        self.small_digits = limits.small_digits
        # Anew: what was within the bounds before may not be now.
        self.heads = KnownHeads[Head](10 ** (self.small_digits - 1) - 1)

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "LaneProtocol":
        """What uvicorn calls for each connection."""
        return LaneProtocol(self, config, server_state, app_state, _loop)

    def date(self, default_headers: list[tuple[bytes, bytes]]) -> bytes:
        """`standing_block`, made anew with the date among uvicorn's default headers, which uvicorn renews each
        second."""
        self.dated = default_headers
        dates = [header for header in default_headers if header[0] == b"date"]
        self.standing_block = block_of([*dates, *STANDING_HEADERS])
        return self.standing_block

    def sweep(self) -> None:
        """End what has taken too long: heads, bodies, idle connections, clients that stopped reading."""
        self.swept = now = self.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + CHECK_S
        for connection in list(self.connections):
            connection.check(now)


def address_of(name: Any) -> tuple[str, int | None] | None:
    """Host and port of a socket's name; path and None of a unix socket's; None of one that has no name."""
    if isinstance(name, str) and name:
        return name, None
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None


class Waiting(list[Any]):
    """Pipelined requests, newest first, as uvicorn's deque holds them. Empty on nearly all connections, where a deque
    takes ten times the memory."""

    __slots__ = ()

    def appendleft(self, entry: Any) -> None:
        """Add the newest."""
        self.insert(0, entry)


class LazyFlow(FlowControl):
    """uvicorn's flow control, whose event is made when somebody may wait for it: few connections ever do."""

    # What uvicorn's own class would keep in a dictionary.
    __slots__ = ("_is_writable_event", "_transport", "read_paused", "write_paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        self.write_paused = False

    async def drain(self) -> None:
        """Until the client takes bytes again."""
        if self.write_paused:
            await self._is_writable_event.wait()

    def pause_writing(self) -> None:
        """The client's socket is full."""
        if not self.write_paused:
            self.write_paused = True
            self._is_writable_event = asyncio.Event()

    def resume_writing(self) -> None:
        """The client's socket takes bytes again."""
        if self.write_paused:
            self.write_paused = False
            self._is_writable_event.set()


class LaneProtocol(HttpToolsProtocol):
    """One client connection."""

    # Slots beside uvicorn's attributes: with ours among them there would be more than CPython keeps compactly (30).
    __slots__ = (
        "_ahead_bytes",
        "_asgi",
        "_exchange",
        "_head_bytes",
        "_in_body",
        "_in_head",
        "_incoming",
        "_is_plain_after_all",
        "_is_refusing",
        "_is_turning",
        "_lane",
        "_refusal",
        "_since",
        "_stalled_since",
    )

    # uvicorn's cycles and our exchanges, which play the same part.
    cycle: Any
    pipeline: Any
    parser: Any
    headers: Any

    def __init__(
        self,
        lane: Lane,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.pipeline = Waiting()
        # Made when there is something to parse. Not uvicorn's, which allows bytes after a message that announced
        # `connection: close`: llhttp's strict rule is wanted here.
        self.parser = None
        self._lane = lane
        self._exchange: Exchange | None = None
        """The lane request being answered."""
        self._incoming: Exchange | None = None
        """The lane request whose body is coming in."""
        self._asgi: RequestResponseCycle | None = None
        """The ordinary request begun last; `cycle` may already be one that waits behind it."""
        self._in_head = False
        self._in_body = False
        self._head_bytes = 0
        self._ahead_bytes = 0
        self._since = lane.swept
        """Since when the connection has been in its present phase."""
        self._stalled_since: float | None = None
        self._refusal: tuple[Exchange, Fault] | None = None
        """A refusal that waits for the answers before it."""
        self._is_turning = False
        """The next pipelined request is being begun."""
        self._is_plain_after_all = False
        """The request asked for another protocol and gets an answer in this one."""
        self._is_refusing = False
        """Nothing that still comes in is read: the connection ends with a refusal."""

    # What an exchange needs of its connection

    @property
    def outlet(self) -> Outlet:
        """That of all connections."""
        return self._lane.outlet

    def standing_block(self) -> bytes:
        """What stands in every answer's head, the date with it, as lines of a head."""
        lane = self._lane
        if self.server_state.default_headers is lane.dated:
            return lane.standing_block
        return lane.date(self.server_state.default_headers)

    def exchange_done(self, exchange: Exchange) -> None:
        """The answer is written: close, or go on to the next request."""
        if exchange is self._exchange:
            self._exchange = None
        if not exchange.keep_alive and not self._is_refusing:
            self.transport.close()
        self.on_response_complete()

    def exchange_streams(self, exchange: Exchange) -> None:
        """The answer comes piece by piece, perhaps for minutes: while the client sends nothing there is nothing to
        parse, and a parser takes as much memory as all else of the connection. After a request that said
        `connection: close` it stays, for it knows that nothing may follow."""
        if exchange.keep_alive and not (self._in_head or self._in_body or self.pipeline):
            self.parser = self.headers = None

    # Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # As uvicorn's own, which would have a socket object made and kept with each connection to ask it who it is.
        self.connections.add(self)
        self.transport = transport
        self.flow = LazyFlow(transport)
        self.scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        # Thousands of connections come to the same address, many from the same: kept once, not with each.
        here = address_of(transport.get_extra_info("sockname"))
        self.server = self._lane.addresses.setdefault(here, here)
        there = address_of(transport.get_extra_info("peername"))
        if there is not None and there[1] is not None:
            self.client = (intern(there[0]), there[1])
        self._lane.connections.add(self)
        self._since = self._lane.swept
        if self._lane.is_draining:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lane.connections.discard(self)
        exchange, self._exchange = self._exchange, None
        self._incoming = None
        super().connection_lost(exc)
        if exchange is not None:
            exchange.client_left(ClientGone(), self._lane.monotonic())
        asgi, self._asgi = self._asgi, None
        if asgi is not None and not asgi.response_complete:
            asgi.disconnected = True  # uvicorn tells only the request that came in last
            asgi.message_event.set()
        self.pipeline.clear()

    def eof_received(self) -> None:
        """A client that closes its half counts as gone, as it does for nginx: what it asked for is given up at once."""
        exchange = self._exchange
        if exchange is not None:
            exchange.client_left(ClientGone(), self._lane.monotonic())
            self.transport.abort()

    def pause_writing(self) -> None:
        self._stalled_since = self._lane.swept
        if self._exchange is not None:
            self._exchange.pause_writing()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled_since = None
        if self._exchange is not None:
            self._exchange.resume_writing()
        super().resume_writing()

    # Bytes in

    def data_received(self, data: bytes) -> None:
        if self._is_refusing:
            return
        cycle = self.cycle
        is_between = (cycle is None or cycle.response_complete) and not (self._in_head or self._in_body)
        if is_between and (known := self._lane.heads.find(data)) is not None:
            self._begin_known(*known)
        elif self._parse(data) and is_between:
            self._learn(data)

    def _parse(self, data: bytes) -> bool:
        """Hand `data` to the parser; False where it is none of what is spoken here, or too much."""
        answering = self._exchange is not None
        if answering:
            self._ahead_bytes += len(data)
        if not self._in_body:
            self._head_bytes += len(data)
        if self.parser is None:
            self.parser = httptools.HttpRequestParser(self)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._is_plain_after_all:
                self._read_again(data[upgrade.args[0] :])
            else:
                self._upgrade()
            return False
        except httptools.HttpParserError as error:
            self._malformed(error)
            return False
        if self._in_head and self._head_bytes > self._lane.limits.head_bytes:
            self._refuse(HeadTooLarge())
            return False
        if answering:
            if self._ahead_bytes <= PIPELINED_BYTES:
                self.flow.resume_reading()  # to notice a client that leaves, even though it has sent more
            else:
                self.flow.pause_reading()
        return True

    def _begin_known(self, head: Head, body: bytes) -> None:
        """A whole request whose head has come before: there is nothing to parse."""
        exchange = Exchange(
            self, self.transport, head.route, head.headers, self.client, keep_alive=True, is_http10=False
        )
        exchange.fields = head.fields
        exchange.body = body
        exchange.bytes_in = len(body)
        self._since = self._lane.swept
        self.cycle = exchange
        self._start(exchange)

    def _learn(self, data: bytes) -> None:
        """Keep what was made of the head of `data`, where that was one whole request to the lane, and a usual one."""
        exchange = self.cycle
        if self._in_head or self._in_body or type(exchange) is not Exchange or self._incoming is exchange:
            return
        fields, headers = exchange.fields, exchange.headers
        if (
            exchange.keep_alive
            and not exchange.is_http10
            and len(fields) == len(headers)
            and len(fields.get(b"content-length", b"")) < self._lane.small_digits
            and b"host" in fields
            and OF_ITS_OWN.isdisjoint(fields)
        ):
            self._lane.heads.keep(data, Head(exchange.route, headers, fields))

    def on_message_begin(self) -> None:
        self._in_head = True
        self._in_body = False
        self._since = self._lane.swept
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._is_refusing:
            return
        lane, parser, cycle = self._lane, self.parser, self.cycle
        if parser.should_upgrade() and not self._is_websocket():
            self._is_plain_after_all = True
            return
        is_busy = cycle is not None and not cycle.response_complete
        limit = lane.limits.head_bytes
        # A head that came in one read with the end of the request before it was not counted as it came.
        if (self._head_bytes > limit or is_busy) and self._head_size() > limit:
            self._refuse(HeadTooLarge())
            return
        self._in_body = True
        self._head_bytes = 0
        route = lane.routes.get(self.url)
        if route is None and b"?" in self.url:
            path, _, query = self.url.partition(b"?")
            route = lane.routes.get(path)
            if route is not None:
                route = route.at(query)
        if route is not None and parser.get_method() == b"POST":
            self._begin(route, is_busy=is_busy)
        else:
            self._to_asgi()

    def _begin(self, route: LaneRoute, *, is_busy: bool) -> None:
        lane, parser, headers = self._lane, self.parser, self.headers
        fields = dict(headers)
        keep_alive = parser.should_keep_alive()
        # A connection that stays open without a word about it is HTTP/1.1; the parser makes a text of its version.
        is_http10 = (not keep_alive or b"connection" in fields) and parser.get_http_version() != "1.1"
        exchange = Exchange(self, self.transport, route, headers, self.client, keep_alive and not is_http10, is_http10)
        exchange.fields = fields
        self._incoming = exchange
        length = fields.get(b"content-length")
        # A usual head needs no second look: each name once, a host, a body that is small.
        if (
            length is None
            or len(length) >= lane.small_digits
            or b"host" not in fields
            or b"expect" in fields
            or len(fields) < len(headers)
            or is_http10
        ):
            fault = self._unacceptable(exchange) or lane.taker.objection(exchange)
            if fault is not None:
                self._refuse(fault)
                return
        self.cycle = exchange
        if is_busy:
            self.pipeline.appendleft((exchange, self.app))
            self.flow.pause_reading()
        elif exchange.expects_continue:
            self._invite(exchange)

    def _unacceptable(self, exchange: Exchange) -> Fault | None:
        """What is wrong with a request by its head alone, if anything is."""
        fields = exchange.fields
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            return InvalidRequest(f"HTTP/{version} is not spoken here")
        if not exchange.is_http10 and sum(name == b"host" for name, _ in exchange.headers) != 1:
            return InvalidRequest("an HTTP/1.1 request names its host, once")  # RFC 9112, section 3.2
        length = fields.get(b"content-length")
        limit = self._lane.limits.body_bytes
        if length is not None and int(length) > limit:
            return BodyTooLarge(f"the request body is larger than {limit} bytes")
        if fields.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            return InvalidRequest("the only Transfer-Encoding understood here is chunked")
        exchange.expects_continue = not exchange.is_http10 and fields.get(b"expect", b"").lower() == b"100-continue"
        return None

    def _invite(self, exchange: Exchange) -> None:
        """Ask for the body of a client that waits to be asked."""
        if exchange.expects_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _to_asgi(self) -> None:
        self._incoming = None
        headers, url = self.headers, self.url
        super().on_message_begin()
        self.headers, self.url = headers, url
        self.expect_100_continue = any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in headers
        )
        self.scope["headers"] = headers
        try:
            super().on_headers_complete()
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
            self._refuse(InvalidRequest("the request's address is malformed"))

    def on_body(self, body: bytes) -> None:
        if self._is_refusing:
            return
        self._since = self._lane.swept
        exchange = self._incoming
        if exchange is None:
            super().on_body(body)
            return
        size = exchange.bytes_in = exchange.bytes_in + len(body)
        if size > self._lane.limits.body_bytes:
            self._refuse(BodyTooLarge(f"the request body is larger than {self._lane.limits.body_bytes} bytes"))
        elif not exchange.body:
            exchange.body = body
        else:
            if isinstance(exchange.body, bytes):
                exchange.body = bytearray(exchange.body)
            exchange.body += body

    def on_message_complete(self) -> None:
        self._in_body = False
        self._head_bytes = 0
        self._since = self._lane.swept
        if self._is_refusing or self._is_plain_after_all:
            return
        exchange, self._incoming = self._incoming, None
        if exchange is None:
            super().on_message_complete()
        elif not self.pipeline or self.pipeline[0][0] is not exchange:
            self._start(exchange)

    def _start(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._ahead_bytes = 0
        if self._stalled_since is not None:
            exchange.is_write_paused = True  # the answer before this one is still unread
        self._lane.taker.accept(exchange)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """uvicorn's way to begin the next pipelined request; a lane request begins here too once it is whole."""
        if not isinstance(cycle, Exchange):
            self._asgi = cycle
            super()._start_asgi_task(cycle, app)
        elif self._refusal is not None and self._refusal[0] is cycle:
            self._lane.taker.refuse(*self._refusal)
        elif self._incoming is cycle:
            self._invite(cycle)
        else:
            self._start(cycle)

    def on_response_complete(self) -> None:
        """As uvicorn's, without a keep-alive timer per request: the sweep closes idle connections."""
        self.server_state.total_requests += 1
        self._since = self._lane.swept
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self._is_turning:
            return
        if self.pipeline:
            self._take_turns()
        elif self._is_refusing:
            self._linger()

    def _take_turns(self) -> None:
        """Begin the next pipelined request. Some are answered at once: by a loop, as calling each other they would
        exhaust the stack."""
        self._is_turning = True
        is_over = True
        while self.pipeline and is_over and not self.transport.is_closing():
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            is_over = cycle.response_complete
        self._is_turning = False
        if is_over and self._is_refusing and not self.transport.is_closing():
            self._linger()

    # What goes wrong before there is an exchange to say it

    def check(self, now: float) -> None:
        """Called by the sweep."""
        limits = self._lane.limits
        waited = now - self._since
        if self._stalled_since is not None and now - self._stalled_since > limits.stalled_s:
            self.transport.abort()
        elif self._is_refusing:
            if waited > LINGER_S and not self._is_busy:
                self.transport.abort()
        elif self._in_head:
            if waited > limits.head_s and not self.flow.read_paused:
                self._refuse(RequestTimeout("the request's headers took too long to arrive"))
        elif self._in_body:
            if self.flow.read_paused:
                self._since = now  # it is we who let it wait: its time counts from when we go on reading
            elif waited > limits.body_s:
                self._refuse(RequestTimeout("the request's body took too long to arrive"))
        elif self.transport.is_closing():
            if waited > limits.stalled_s:  # what is left of the answer is not even enough to count as stalled
                self.transport.abort()
        elif waited > limits.keep_alive_s and not self._is_busy:
            self.transport.close()

    @property
    def _is_busy(self) -> bool:
        """Whether an answer is under way or a request waits for its turn."""
        return self.cycle is not None and not self.cycle.response_complete

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _malformed(self, error: Exception) -> None:
        reason = str(error)[:120] or type(error).__name__
        self._refuse(InvalidRequest(f"the request is not valid HTTP/1.1: {reason}"))

    def _is_websocket(self) -> bool:
        return self.parser.get_method() == b"GET" and self._should_upgrade()

    def _upgrade(self) -> None:
        if self._is_refusing:
            return
        if self._is_busy:
            self._is_refusing = True  # an answer is still under way here: it is the last one
            self.cycle.keep_alive = False
        else:
            self._lane.connections.discard(self)
            self.handle_websocket_upgrade()

    def _read_again(self, rest: bytes) -> None:
        """Read a request without its wish for another protocol: the parser would leave its body to that. Some clients
        (Java's) ask for HTTP/2 with every request."""
        self._is_plain_after_all = False
        head = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                value = b"close" if b"close" in value.lower() else b"keep-alive"
            if name not in (b"upgrade", b"http2-settings"):
                head.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0
        self.data_received(b"\r\n".join(head) + b"\r\n\r\n" + rest)

    def _refuse(self, fault: Fault) -> None:
        """Say what is wrong and close, after the answers to the requests that came before."""
        if self._is_refusing:
            return
        self._is_refusing = True
        self._since = self._lane.swept
        exchange, self._incoming = self._incoming, None
        cycle = self.cycle
        if exchange is None and self._in_body and cycle is not None:
            # An ordinary route is being sent this body.
            if cycle.response_complete:
                self._linger()  # and has answered without it
                return
            if cycle.response_started or self.pipeline:
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
            cycle.response_complete = True
        is_queued = bool(self.pipeline) and self.pipeline[0][0] is exchange
        exchange = exchange or Exchange(
            self, self.transport, self._lane.fallback, [], peer=self.client, keep_alive=False, is_http10=False
        )
        exchange.keep_alive = False
        if is_queued:
            self._refusal = (exchange, fault)
        elif self._is_busy and cycle is not exchange:
            self._refusal = (exchange, fault)
            self.pipeline.appendleft((exchange, self.app))
            self.cycle = exchange
        else:
            self.cycle = exchange
            self._lane.taker.refuse(exchange, fault)

    def _linger(self) -> None:
        """End our half of the connection and drop what still comes, for LINGER_S at most: closing at once would reset
        a client that is still sending, and the refusal could be lost."""
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()
