"""Asks from inside the process: they go the request's way like all others, but for the socket at its beginning.

The way sees an HTTP/1.0 client: what it writes is a head, and then the body as it is, without framing. Who asks was
settled when the ask was accepted; what the journal keeps is handed to whoever asked, who records it together with what
came of it.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from remuda.core.clock import Clock
from remuda.core.faults import ClientGone, Fault, InvalidCredential, ShuttingDown, UpstreamFailed
from remuda.core.keys import Caller, KeyRing, Scope
from remuda.core.priority import Priority
from remuda.core.record import RequestRecord
from remuda.core.users import KEY_ID_PREFIX
from remuda.gateway.authenticate import Headers
from remuda.gateway.drive import Drive
from remuda.gateway.exchange import Exchange
from remuda.gateway.face import LaneRoute
from remuda.gateway.outlet import Outlet
from remuda.gateway.pipeline import Pipeline
from remuda.gateway.priority import HEADER
from remuda.gateway.record import Recorder

CALLER: Final = b"caller"
"""The name under which an exchange from inside has its caller; no header field from outside comes this way."""
ANYBODY: Final = frozenset({Scope.INFERENCE})


class Answer(NamedTuple):
    """What came of an ask."""

    status: int
    """Of HTTP; 499 where it was called off before an answer began."""
    body: bytes
    """All of it, or as far as it came. Empty where a listener was handed it."""
    record: RequestRecord


class Insiders:
    """Admits those whose asks were accepted earlier, as long as their key is one."""

    def __init__(self, ring: Callable[[], KeyRing], wall: Callable[[], float]) -> None:
        self._ring = ring
        self._wall = wall

    def admit(
        self,
        headers: Headers,
        peer: tuple[str, int] | None,
        scope: Scope,
        query: bytes = b"",
        *,
        also: Scope | None = None,
        fields: Mapping[bytes, bytes] | None = None,
    ) -> Caller:
        """The caller that the exchange names; raises InvalidCredential where that key is no more."""
        del headers, peer, scope, query, also
        key_id = (fields or {}).get(CALLER, b"").decode()
        if not key_id or key_id.startswith(KEY_ID_PREFIX):
            return Caller(key_id, key_id, ANYBODY)
        caller = self._ring().caller_by_id(key_id, self._wall())
        if caller is None:
            raise InvalidCredential("the API key that this was submitted with has been revoked or has expired")
        return caller


class InsideRecorder(Recorder):
    """Tells all sinks but the journal, and whoever asked."""

    def close(self, exchange: Exchange) -> None:
        """The ask is over: make its record and hand it on."""
        record = self.record_of(exchange)
        self.hand_on(record)
        connection = exchange.connection
        if isinstance(connection, Asked):
            connection.recorded(record)


class Inside:
    """Takes asks from inside the process. All calls on the event loop."""

    def __init__(self, pipeline: Pipeline, clock: Clock, max_answer_bytes: int) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._max_answer_bytes = max_answer_bytes
        self.is_closing = False

    def ask(
        self,
        route: LaneRoute,
        body: bytes,
        key_id: str,
        request_id: str,
        *,
        listen: Callable[[bytes], None] | None = None,
    ) -> "Asked":
        """Begin to answer `body`, in the background: whoever waits in person comes first. `listen` gets the answer's
        body as it comes, if its status is 200."""
        asked = Asked(self._clock.monotonic, self._max_answer_bytes, listen)
        headers = [(HEADER, Priority.BACKGROUND.word.encode()), (CALLER, key_id.encode())]
        transport = _Transport(asked)
        exchange = Exchange(asked, transport, route, headers, None, keep_alive=False, is_http10=True)
        exchange.fields = MappingProxyType(dict(headers))
        exchange.body = body
        exchange.bytes_in = len(body)
        exchange.started = self._clock.monotonic()
        exchange.started_wall = self._clock.wall()
        exchange.identify(request_id)
        asked.exchange = exchange
        if self.is_closing:
            exchange.interruption = ShuttingDown(retry_after_s=1)
        drive = Drive(self._pipeline.serve(exchange), self._loop)
        if not drive.is_over:
            exchange.drive = drive
            if exchange.interruption is not None:
                drive.cancel()
        return asked


class Asked:
    """An ask under way. Plays the part of the client's connection."""

    def __init__(self, monotonic: Callable[[], float], max_bytes: int, listen: Callable[[bytes], None] | None) -> None:
        self.exchange: Exchange | None = None
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        """Done when all is over and nothing is held any more. Never cancelled, never an exception."""
        self._monotonic = monotonic
        self._left = max_bytes
        self._listen = listen
        self.outlet = Outlet(asyncio.get_running_loop(), most=1)
        """Nobody is woken by what is written here: nothing need wait."""
        self._head = b""
        self._status = 0
        self._body: list[bytes] = []

    def stop(self, fault: Fault | None = None) -> None:
        """The answer is no longer wanted; with a fault, that is why, and the end of a stream says it."""
        exchange = self.exchange
        if exchange is None or self.answer.done():
            return
        if fault is None:
            exchange.client_left(ClientGone(), self._monotonic())
        else:
            exchange.interrupt(fault)

    # What an exchange needs of its connection

    def standing_block(self) -> bytes:
        """No field that a client is told of."""
        return b""

    def exchange_streams(self, exchange: Exchange) -> None:
        """There is nothing to let go of."""

    def exchange_done(self, exchange: Exchange) -> None:
        """The answer is written; its record follows."""

    def recorded(self, record: RequestRecord) -> None:
        """All is over."""
        self.exchange = None
        if not self.answer.done():
            self.answer.set_result(Answer(self._status or record.status, b"".join(self._body), record))

    def wrote(self, data: bytes) -> None:
        """A piece of the answer, head first."""
        if not self._status:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head = b""
            self._status = int(head[9:12])
        if not data:
            return
        self._left -= len(data)
        if self._left < 0:
            self.stop(UpstreamFailed("the answer is longer than what is kept of one"))
        elif self._listen is not None and self._status == 200:
            self._listen(data)
        else:
            self._body.append(bytes(data))


class _Transport(asyncio.Transport):
    """Where an exchange writes its answer."""

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self._asked = asked
        self._is_closing = False

    def write(self, data: Any) -> None:
        if not self._is_closing:
            self._asked.wrote(data)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self._is_closing = True
