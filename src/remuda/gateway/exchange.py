"""One lane request on a client's connection, from its head to the last byte of its answer."""

import asyncio
import http
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from remuda.core.ask import UNTOLD, Told
from remuda.core.decision import Decision
from remuda.core.faults import Fault, StreamCut, UpstreamSilent
from remuda.core.usage import NO_USAGE, Usage
from remuda.engines.protocol import Outgoing
from remuda.gateway.face import LaneRoute
from remuda.gateway.fit import Fit
from remuda.gateway.headers import block_of
from remuda.gateway.outlet import Outlet
from remuda.gateway.transcript import Transcript
from remuda.wire.via import Via

STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in http.HTTPStatus
}
LAST_CHUNK: Final = b"0\r\n\r\n"
UNBUFFERED: Final = b"cache-control: no-cache\r\nx-accel-buffering: no\r\n"
EVENT_STREAM: Final = b"content-type: text/event-stream; charset=utf-8\r\n" + UNBUFFERED


class ClientConnection(Protocol):
    """What an exchange needs of the connection it came on."""

    @property
    def outlet(self) -> Outlet:
        """Where pieces of streams are put that need not be written one by one."""
        ...

    def standing_block(self) -> bytes:
        """What stands in every answer's head, the date with it, as lines of a head."""
        ...

    def exchange_streams(self, exchange: "Exchange") -> None:
        """The answer has begun to come as a stream, and nothing of the request is wanted any more."""
        ...

    def exchange_done(self, exchange: "Exchange") -> None:
        """The answer is written; the connection may go on to its next request, or close."""
        ...


class Cancellable(Protocol):
    """What answers the exchange."""

    def cancel(self) -> None:
        """Raise CancelledError where it waits."""
        ...


class Flow(Protocol):
    """The upstream side of a running relay, as far as back-pressure and silence go."""

    reads: int
    """Grows with every read that brought something."""

    def pause_reading(self) -> None:
        """The client does not keep up."""
        ...

    def resume_reading(self) -> None:
        """The client has caught up."""
        ...


class Setback(NamedTuple):
    """An attempt failed, and another is made."""

    fault: Fault
    rest_s: float | None
    """After how long those that failed may be asked again; None: when there is no other."""
    unsent: int
    """Attempts so far that found nobody."""


NO_FIELDS: Final[Mapping[bytes, bytes]] = MappingProxyType({})


class _NoEvent:
    """Stands where uvicorn's cycle has an event: nobody waits on a lane exchange's."""

    def set(self) -> None:
        """Nothing to wake."""


class Exchange:
    """A request and its answer, and what the journal will say of them. Plays the part of uvicorn's cycle towards its
    pipelining and its shutdown.

    Slots, because storing into them is what the interpreter does fastest, and because thousands of these are open.
    """

    message_event: Final = _NoEvent()

    __slots__ = (
        "attempts",
        "body",
        "bytes_in",
        "bytes_out",
        "caller_id",
        "connection",
        "cors_block",
        "decisions",
        "disconnected",
        "drive",
        "energy_mark",
        "expects_continue",
        "expires_at",
        "expiry_fault",
        "fault",
        "fields",
        "finish_reason",
        "first_content_at",
        "fit",
        "flow",
        "head_sent",
        "headers",
        "id",
        "id_line",
        "interruption",
        "is_http10",
        "is_kept_alive",
        "is_streamed",
        "is_write_paused",
        "keep_alive",
        "left_at",
        "model",
        "outgoing",
        "peer",
        "queue_wait_s",
        "replica",
        "replica_block",
        "response_complete",
        "route",
        "seen_reads",
        "setback",
        "silence_s",
        "started",
        "started_wall",
        "status",
        "told",
        "transcript",
        "transport",
        "upstream_s",
        "usage",
        "via",
    )

    def __init__(
        self,
        connection: ClientConnection,
        transport: asyncio.Transport,
        route: LaneRoute,
        headers: Sequence[tuple[bytes, bytes]],
        peer: tuple[str, int] | None,
        keep_alive: bool,
        is_http10: bool,
    ) -> None:
        self.connection = connection
        self.transport = transport
        self.route = route
        self.headers = headers
        self.peer = peer
        """The client's address; None where the transport has none (unix sockets)."""
        self.keep_alive = keep_alive
        """Whether the connection stays open after the answer; uvicorn's shutdown clears it."""
        self.is_http10 = is_http10
        self.fields: Mapping[bytes, bytes] = NO_FIELDS
        """The request's headers by name; of one that stands several times, the last."""
        self.via: Via | None = None
        """The gateways that it has come through."""
        self.body: bytes | bytearray = b""
        self.expects_continue = False

        # While it is answered
        self.id = ""
        self.id_line = b""
        """The id as a line of a head, towards the client and the upstream alike."""
        self.outgoing: Outgoing | None = None
        """The ask in the words of the engine that has been asked."""
        self.cors_block = b""
        self.replica_block = b""
        self.drive: Cancellable | None = None
        self.interruption: Fault | None = None
        self.setback: Setback | None = None
        """Why it was not answered at once, the last time."""
        self.expires_at: float | None = None
        """When (monotonic) the sweep ends the exchange."""
        self.expiry_fault: Callable[[], Fault] | None = None
        """Makes the fault it is ended with, when it comes to that; None: the answer has fallen silent."""
        self.is_write_paused = False
        self.head_sent = False
        self.is_kept_alive = False
        """All that was sent is comments that say that it waits: nothing of the answer."""
        self.response_complete = False
        self.disconnected = False
        self.left_at: float | None = None
        """Monotonic time at which the gateway learnt that the client had left."""
        self.flow: Flow | None = None

        # What the journal will say
        self.started = 0.0
        """Monotonic time at which the whole request was in."""
        self.started_wall = 0.0
        self.upstream_s = 0.0
        """Time spent waiting: in the queue and on the upstream; not our own doing."""
        self.queue_wait_s = 0.0
        self.first_content_at: float | None = None
        """Monotonic time at which the first content was passed on."""
        self.caller_id = ""
        self.told: Told = UNTOLD
        self.model = ""
        self.replica = ""
        self.status = 0
        self.fault = ""
        self.is_streamed = False
        """Whether the answer was passed on as a stream."""
        self.attempts = 0
        self.energy_mark: float | None = None
        """What a machine's meter stood at when it was first sent to an engine there; None where nothing measures it."""
        self.decisions: tuple[Decision, ...] = ()
        """Why each attempt went where it went; nothing while there was nobody else to go to."""
        self.bytes_in = 0
        self.bytes_out = 0
        self.usage: Usage = NO_USAGE
        self.finish_reason = ""
        self.fit: Fit | None = None
        """Where the prompt may have been too long for its engine."""
        self.transcript: Transcript | None = None
        """What is said, where that is kept."""

    @property
    def has_begun(self) -> bool:
        """Whether the client has something of the answer: from then on nothing can be said anew."""
        return self.head_sent and not self.is_kept_alive

    def identify(self, request_id: str) -> None:
        """Give it its id."""
        self.id = request_id
        self.id_line = b"x-request-id: %b\r\n" % request_id.encode()

    def failed(self, fault: Fault, status: int) -> None:
        """It ended with `fault`, said to the client as `status` (or in its stream)."""
        self.fault = fault.code
        self.status = status

    def forget_request(self) -> None:
        """Let go of the request; thousands of streams may be open, each for minutes."""
        self.headers = ()
        self.fields = NO_FIELDS
        self.id_line = b""
        self.outgoing = None
        self.connection.exchange_streams(self)

    # Ending early

    def interrupt(self, fault: Fault) -> None:
        """End the exchange with `fault` wherever it stands; the first interruption counts, unless it is the upstream's
        doing: such a one may turn out to be no end."""
        first = self.interruption
        if (first is None or isinstance(first, UpstreamSilent | StreamCut)) and not self.response_complete:
            self.interruption = fault
            if self.drive is not None:
                self.drive.cancel()

    def client_left(self, fault: Fault, now: float) -> None:
        """The connection is gone, as was learnt at monotonic time `now`: nothing more can be sent."""
        self.disconnected = True
        self.left_at = now
        if self.flow is not None:
            self.flow.pause_reading()  # nothing more is passed on to a transport that is closed
        self.interrupt(fault)

    def watch(self, flow: Flow, silence_s: float) -> None:
        """The answer comes over `flow`: slow it to the client's pace, and end it if it is silent for `silence_s`."""
        self.flow = flow
        self.expiry_fault = None
        self.silence_s = silence_s
        self.seen_reads = -1

    def unwatch(self) -> None:
        """The answer no longer comes."""
        self.flow = None
        self.expires_at = None

    def check(self, now: float) -> None:
        """Called by the sweep: end what has passed its time."""
        flow = self.flow
        if flow is not None and (flow.reads != self.seen_reads or self.is_write_paused):
            self.seen_reads = flow.reads
            self.expires_at = now + self.silence_s
        elif self.expires_at is not None and now >= self.expires_at:
            self.interrupt(self.expiry_fault() if self.expiry_fault is not None else self._silent())

    def _silent(self) -> Fault:
        return StreamCut(f"the model's server sent nothing for {self.silence_s:g} s in the middle of its answer")

    # Back-pressure

    def pause_writing(self) -> None:
        """The client's socket is full."""
        self.is_write_paused = True
        if self.flow is not None:
            self.flow.pause_reading()

    def resume_writing(self) -> None:
        """The client's socket takes bytes again."""
        self.is_write_paused = False
        if self.flow is not None:
            self.flow.resume_reading()

    def rest(self) -> None:
        """Let others be read, until the outlet says to go on."""
        if self.flow is not None and not self.is_write_paused:
            self.flow.pause_reading()
            self.connection.outlet.rest(self)

    def read_on(self) -> None:
        """Others have been."""
        if self.flow is not None and not (self.is_write_paused or self.disconnected):
            self.flow.resume_reading()

    # Answering

    def answer(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer; `headers` are finished lines of a head."""
        if self.disconnected or self.response_complete:
            return
        answer = self._head(status, headers, b"content-length: %d\r\n" % len(body), body)
        self.bytes_out += len(answer)
        self.transport.write(answer)
        self.response_complete = True
        self.connection.exchange_done(self)

    def start(self, status: int, headers: bytes, content_length: int | None) -> bool:
        """Send the head of an answer whose body follows piece by piece; True if pieces need chunk framing."""
        if self.is_kept_alive:
            self.is_kept_alive = False
            return not self.is_http10
        is_chunked = content_length is None and not self.is_http10
        if content_length is not None:
            framing = b"content-length: %d\r\n" % content_length
        elif is_chunked:
            framing = b"transfer-encoding: chunked\r\n"
        else:
            framing = b""
            self.keep_alive = False  # the end of the body is the end of the connection
        if not self.disconnected:
            self._write(self._head(status, headers, framing))
        return is_chunked

    def keep_alive_comment(self, comment: bytes) -> bool:
        """Send a comment of a stream of server-sent events that has not begun, or has broken off between two events
        and waits for somebody to go on; False where that cannot be done now."""
        is_under_way = self.has_begun and self.flow is not None
        if self.disconnected or self.is_write_paused or self.response_complete or is_under_way:
            return False
        if not self.head_sent:
            self.status = 200
            self.is_streamed = True
            self.replica_block = b""  # who has failed it will not have answered it
            self.start(200, EVENT_STREAM, None)
            self.is_kept_alive = True
        self.write(comment if self.is_http10 else b"%x\r\n%b\r\n" % (len(comment), comment))
        return True

    def write(self, data: bytes) -> None:
        """Send a piece of the body, framed already."""
        self._write(data)
        self.connection.outlet.flush()

    def finish(self, last: bytes = b"") -> None:
        """Send the last bytes, framed already; the answer is complete."""
        if self.disconnected or self.response_complete:
            return
        if last:
            self._write(last)
        self.connection.outlet.flush()
        self.response_complete = True
        self.connection.exchange_done(self)

    def break_off(self) -> None:
        """Close without an end: the client must not take what it got for the whole answer."""
        if not self.disconnected and not self.response_complete:
            self.keep_alive = False
            self.response_complete = True
            self.connection.outlet.flush()
            self.transport.abort()

    def refuse(self, fault: Fault) -> int:
        """Answer with a fault if nothing was sent yet; returns the status."""
        refusal = self.route.face.refusal(fault, self.id)
        self.answer(refusal.status, block_of(refusal.headers), refusal.body)
        return refusal.status

    def _head(self, status: int, headers: bytes, framing: bytes, body: bytes = b"") -> bytes:
        self.head_sent = True
        return b"".join(
            (
                STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status,
                headers,
                self.connection.standing_block(),
                self.cors_block,
                self.replica_block,
                self.id_line,
                b"" if self.keep_alive else b"connection: close\r\n",
                framing,
                b"\r\n",
                body,
            )
        )

    def _write(self, data: bytes) -> None:
        """Behind what waits already, and in one piece with it."""
        self.bytes_out += len(data)
        self.connection.outlet.put(self.transport, data)
