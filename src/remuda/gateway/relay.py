"""Step: pass the answer on. Four cases, by what the client wants and what the upstream sends:

- whole to whole: the body is gathered and sent at once; a long one is spliced through.
- stream to stream: spliced by callbacks, each read passed on as it is but for a scan (first content, usage, the end).
- stream to whole: gathered and folded into one answer (engines that can only be cancelled while they stream).
- whole to stream (an upstream that does not stream): passed on as it is.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from remuda.core.ask import Ask
from remuda.core.faults import Fault, StreamCut, UpstreamFailed
from remuda.engines.protocol import StreamTranslator
from remuda.gateway.exchange import LAST_CHUNK, Exchange
from remuda.gateway.forward import Answer
from remuda.gateway.headers import block_of
from remuda.gateway.record import Entry
from remuda.gateway.scan import StreamScan
from remuda.wire.answers import facts_of_whole
from remuda.wire.fold import Fold, fold_for

GATHERED_BYTES: Final = 1024 * 1024
"""A whole answer up to this size is gathered before any of it is sent: until then another replica can be tried."""
FOLDED_BYTES: Final = 64 * 1024 * 1024
"""Bound on a streamed answer that is folded into one."""

ODD_SHAPES: Final = (msgspec.MsgspecError, ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What reading JSON of an unexpected shape raises."""

EVENT_STREAM: Final = (
    b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
)
JSON: Final = b"content-type: application/json\r\n"


class Relay:
    """Passes answers on."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic

    async def pass_on(self, answer: Answer, exchange: Exchange, ask: Ask, entry: Entry) -> None:
        """Send `answer` to the client, whole and recorded; raises a Fault where it broke off."""
        if answer.connection.is_complete and not answer.is_event_stream:
            self._send_whole(answer, answer.connection.take_body(), exchange, entry)
            return
        exchange.watch(answer.connection, answer.replica.deadlines.silence_s)
        try:
            if not answer.is_event_stream:
                await self._gathered(answer, exchange, entry)
            elif ask.is_streamed:
                await self._spliced(answer, exchange, ask, entry)
            else:
                await self._folded(answer, exchange, ask, entry)
        finally:
            exchange.unwatch()

    async def _gathered(self, answer: Answer, exchange: Exchange, entry: Entry) -> None:
        gathered = Gathered(answer, exchange)
        answer.connection.attach(gathered)
        waited = self._monotonic()
        try:
            await gathered.wait()
        finally:
            exchange.upstream_s += self._monotonic() - waited
            if gathered.is_spliced:
                entry.status = answer.connection.status
        if not gathered.is_spliced:
            self._send_whole(answer, gathered.data, exchange, entry)

    def _send_whole(self, answer: Answer, body: bytes, exchange: Exchange, entry: Entry) -> None:
        connection = answer.connection
        entry.status = connection.status
        entry.first_content_at = self._monotonic()
        facts = facts_of_whole(body)
        entry.usage, entry.finish_reason = facts.usage, facts.finish_reason
        if entry.text is not None:
            entry.text.append(body.decode("utf-8", "replace"))
        headers = block_of(connection.headers)
        exchange.answer(connection.status, headers + self._overhead(exchange), body)

    async def _spliced(self, answer: Answer, exchange: Exchange, ask: Ask, entry: Entry) -> None:
        entry.is_streamed = True
        entry.status = answer.connection.status
        # Once this answer has begun no other replica is asked: what only asking takes need not be held any longer.
        ask.body = b""
        exchange.forget_request()
        splice = Splice(answer, exchange, ask, entry, self._overhead(exchange), self._monotonic)
        try:
            await splice.run()
        finally:
            splice.settle()

    async def _folded(self, answer: Answer, exchange: Exchange, ask: Ask, entry: Entry) -> None:
        folding = Folding(fold_for(ask), entry, self._monotonic, answer.translate and answer.translate())
        answer.connection.attach(folding)
        waited = self._monotonic()
        await folding.done
        exchange.upstream_s += self._monotonic() - waited
        try:
            body, usage, finish_reason = folding.fold.result()
        except ODD_SHAPES as error:
            raise malformed() from error
        entry.status = 200
        entry.usage, entry.finish_reason = usage, finish_reason
        if entry.text is not None:
            entry.text.append(body.decode("utf-8", "replace"))
        exchange.answer(200, JSON + self._overhead(exchange), body)

    def _overhead(self, exchange: Exchange) -> bytes:
        own_s = self._monotonic() - exchange.started - exchange.upstream_s
        return b"x-remuda-overhead-ms: %.2f\r\n" % (own_s * 1e3)


def malformed() -> UpstreamFailed:
    """The upstream's stream is not what it should be."""
    return UpstreamFailed("the model's server sent a malformed stream")


class _Receiving:
    """What the receivers share: a future that ends with the answer, or with its fault."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        """The answer is complete."""
        if not self.done.done():
            self.done.set_result(None)

    def cut(self, fault: Fault) -> None:
        """The answer broke off."""
        if not self.done.done():
            self.done.set_exception(fault)


class Gathered(_Receiving):
    """Gathers a whole answer; beyond a bound, passes it through as it comes, at the client's pace."""

    def __init__(self, answer: Answer, exchange: Exchange) -> None:
        super().__init__()
        self._connection = answer.connection
        self._exchange = exchange
        self._is_chunked = False
        self._parts = bytearray()
        self.is_spliced = False

    @property
    def data(self) -> bytes:
        """The gathered body."""
        return bytes(self._parts)

    async def wait(self) -> None:
        """Until the answer is complete. One that breaks off after its head went out breaks off for the client too."""
        try:
            await self.done
        except Fault:
            if self.is_spliced:
                self._exchange.break_off()
            raise
        if self.is_spliced:
            self._exchange.finish(LAST_CHUNK if self._is_chunked else b"")

    def body(self, data: bytes) -> None:
        """A piece of the answer."""
        if self.is_spliced:
            self._exchange.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)
            return
        self._parts += data
        if len(self._parts) > GATHERED_BYTES:
            self.is_spliced = True
            connection, exchange = self._connection, self._exchange
            headers = block_of(connection.headers)
            self._is_chunked = exchange.start(connection.status, headers, connection.content_length)
            held, self._parts = bytes(self._parts), bytearray()
            self.body(held)
            if exchange.is_write_paused:
                connection.pause_reading()


class Folding(_Receiving):
    """Gathers a stream of events that one whole answer is made of."""

    def __init__(
        self, fold: Fold, entry: Entry, monotonic: Callable[[], float], translator: StreamTranslator | None
    ) -> None:
        super().__init__()
        self._translator = translator
        self.fold = fold
        self._entry = entry
        self._monotonic = monotonic
        self._size = 0

    def body(self, data: bytes) -> None:
        """A piece of the stream."""
        self._size += len(data)
        if self._size > FOLDED_BYTES:
            self.cut(UpstreamFailed("the model's answer is larger than this gateway holds"))
            return
        try:
            self.fold.feed(self._translator.feed(data) if self._translator is not None else data)
        except (*ODD_SHAPES, Fault) as error:
            self.cut(error if isinstance(error, Fault) else malformed())
            return
        if self._entry.first_content_at is None and self.fold.has_content:
            self._entry.first_content_at = self._monotonic()

    def end(self) -> None:
        """The stream is over: whole only if it said so itself."""
        if self.fold.is_complete:
            super().end()
        else:
            self.cut(StreamCut())


class Splice(_Receiving):
    """Passes a stream through, read by read."""

    def __init__(
        self,
        answer: Answer,
        exchange: Exchange,
        ask: Ask,
        entry: Entry,
        head: bytes,
        monotonic: Callable[[], float],
    ) -> None:
        super().__init__()
        self._connection = answer.connection
        self._exchange = exchange
        self._transport = exchange.transport
        self._entry = entry
        self._head = head
        self._monotonic = monotonic
        self._translator = answer.translate and answer.translate()
        self._scan = StreamScan(ask, drops_progress=answer.may_emit_progress, text=entry.text)
        self._is_chunked = False
        self._awaits_content = True
        self._bytes_out = 0

    async def run(self) -> None:
        """Until the stream is over. A stream that breaks off ends with the dialect's own in-stream error."""
        exchange, connection = self._exchange, self._connection
        self._is_chunked = exchange.start(connection.status, EVENT_STREAM + self._head, None)
        connection.attach(self)
        if exchange.is_write_paused:
            connection.pause_reading()  # attaching has set it going
        await self.done

    def settle(self) -> None:
        """Write down what the stream told, whichever way it ended."""
        entry, scan = self._entry, self._scan
        self._exchange.bytes_out += self._bytes_out
        entry.usage = scan.usage
        entry.finish_reason = scan.finish_reason

    def body(self, data: bytes) -> None:
        """One read of the stream. This is the hot path: nothing runs here that could run once per stream."""
        out = self._scan.feed(data if self._translator is None else self._translator.feed(data))
        if out:
            if self._is_chunked:
                out = b"%x\r\n%b\r\n" % (len(out), out)
            self._bytes_out += len(out)
            self._transport.write(out)
        if self._awaits_content and self._scan.saw_content:
            self._awaits_content = False
            self._entry.first_content_at = self._monotonic()

    def end(self) -> None:
        """The upstream has ended its stream: a clean end only if the stream itself said so."""
        scan = self._scan
        rest = (scan.feed(self._translator.end()) if self._translator is not None else b"") + scan.rest()
        if rest:
            self._send(rest)
        if scan.is_complete and not scan.saw_error:
            self._exchange.finish(LAST_CHUNK if self._is_chunked else b"")
            super().end()
        else:
            self.cut(StreamCut())

    def cut(self, fault: Fault) -> None:
        """The stream broke off. Where the upstream has said so itself, the client knows and need not be told again;
        after `[DONE]` nothing of the answer can be missing."""
        scan = self._scan
        if scan.is_done:
            self._exchange.finish(LAST_CHUNK if self._is_chunked else b"")
            super().end()
            return
        if scan.saw_error:
            self._exchange.finish(LAST_CHUNK if self._is_chunked else b"")
            fault = UpstreamFailed("the model's server failed in the middle of its answer")
        elif scan.is_in_event:
            self._send(b"\n\n")  # or what is said next would be taken for the rest of that event
        super().cut(fault)

    def _send(self, data: bytes) -> None:
        self._exchange.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)
