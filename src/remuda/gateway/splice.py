"""A stream that is passed on as a stream: one of the cases of the step `relay`."""

from collections.abc import Callable, Sequence
from typing import Final

from remuda.core.ask import Ask
from remuda.core.faults import Fault, StreamCut, UpstreamFailed, UpstreamSilent
from remuda.engines.protocol import Continuation, Engine, Outgoing
from remuda.gateway.drive import Signal
from remuda.gateway.exchange import EVENT_STREAM, LAST_CHUNK, UNBUFFERED, Exchange
from remuda.gateway.face import AnswerTranslator
from remuda.gateway.line_scan import LineScan
from remuda.gateway.message_scan import MessageScan
from remuda.gateway.passing import ODD_SHAPES, Case, head_of, malformed, own_id, told, translator_of
from remuda.gateway.scan import StreamScan
from remuda.gateway.stream_error import fault_of_event
from remuda.gateway.upstream import UpstreamConnection

HELD_BYTES: Final = 64 * 1024
"""Of what comes before the first content of a stream; with more, its head is sent without any."""


class Splice(Case):
    """Passes a stream through, read by read.

    Until the first content comes nothing is said to the client, unless the stream can be continued elsewhere or shows
    its progress: what there is to say so far (a head, a role) would be no loss if another replica had to be asked.
    """

    __slots__ = (
        "_ask",
        "_awaits_content",
        "_began",
        "_bytes_out",
        "_engine",
        "_held",
        "_is_chunked",
        "_is_native",
        "_outlet",
        "_scan",
        "_translator",
        "_transport",
    )

    def __init__(
        self,
        answer: UpstreamConnection,
        exchange: Exchange,
        ask: Ask,
        words: AnswerTranslator | None,
        monotonic: Callable[[], float],
        engine: Engine,
    ) -> None:
        super().__init__(answer, exchange, words, monotonic)
        outgoing = exchange.outgoing
        self._ask = ask
        self._engine = engine
        self._translator = translator_of(exchange)
        drops_progress = outgoing is not None and outgoing.may_emit_progress
        self._transport = exchange.transport
        self._outlet = exchange.connection.outlet
        self._scan: StreamScan | LineScan | MessageScan
        self._is_native = outgoing is not None and outgoing.is_native
        if self._is_native:
            self._scan = (MessageScan if answer.is_event_stream else LineScan)(exchange.transcript)
        else:
            self._scan = StreamScan(
                ask,
                drops_progress=drops_progress,
                transcript=exchange.transcript,
                withholds_error=outgoing is not None and outgoing.is_continuable,
            )
        self._is_chunked = False
        self._awaits_content = True
        self._bytes_out = 0
        self._began = monotonic()
        self._held: bytes | None = None if outgoing is not None and outgoing.is_continuable else b""
        """What is said with the first content; None: the answer has begun."""

    def begin(self) -> None:
        """Pass on what there is, and all that comes."""
        exchange, answer = self._exchange, self._answer
        if self._held is None:
            self._open()
        else:
            exchange.expiry_fault = UpstreamSilent
            # Whatever becomes of it, this is a long wait, and thousands may wait side by side for their first content.
            exchange.connection.exchange_streams(exchange)
        answer.attach(self)
        if exchange.is_write_paused:
            answer.pause_reading()  # attaching has set it going

    def _open(self) -> None:
        """Send the head. From now on no other replica is asked: what asking takes need not be held any longer."""
        exchange, answer = self._exchange, self._answer
        exchange.is_streamed = True
        exchange.status = answer.status
        exchange.expiry_fault = None
        if self._is_native:
            kind = answer.header_lines + own_id(exchange) + UNBUFFERED
        else:
            kind = EVENT_STREAM if self._words is None else head_of(self._words, exchange) + UNBUFFERED
        now = self._monotonic()
        exchange.upstream_s += now - self._began
        self._is_chunked = exchange.start(answer.status, kind + told(exchange, now), None)
        self._ask.body = answer.header_lines = b""
        self._ask.native = None
        exchange.forget_request()

    def conclude(self) -> None:
        """A stream that broke off ends with the dialect's own in-stream error; one that did not has ended already."""

    def settle(self) -> None:
        """Write down what the stream told, whichever way it ended."""
        exchange, scan = self._exchange, self._scan
        exchange.unwatch()
        exchange.bytes_out += self._bytes_out
        self._bytes_out = 0
        exchange.usage = scan.usage
        exchange.finish_reason = scan.finish_reason
        if self._held is not None:
            exchange.upstream_s += self._monotonic() - self._began

    def body(self, data: bytes) -> None:
        """One read of the stream. This is the hot path: nothing runs here that could run once per stream."""
        out = self._scan.feed(data if self._translator is None else self._translator.feed(data))
        if self._words is not None:
            out = self._said(self._words, out)
        if self._awaits_content:
            out = self._before_content(out)
        if out:
            if self._is_chunked:
                out = b"%x\r\n%b\r\n" % (len(out), out)
            self._bytes_out += len(out)
            if self._outlet.put(self._transport, out):
                self._exchange.rest()

    def _before_content(self, out: bytes) -> bytes:
        """What is to be sent of `out`, as long as no content has been."""
        scan, held = self._scan, self._held
        if self.done.is_set:
            return b""  # it has just been found to be malformed, and may be another's turn by now
        if scan.saw_content:
            self._awaits_content = False
            self._exchange.first_content_at = self._monotonic()
        if held is None:
            if isinstance(scan, StreamScan) and scan.has_withheld:
                return self._failed_first(scan, out)
            return out
        if not scan.saw_content:
            if out.startswith(b":") and b"\ndata:" not in out and self._exchange.route.face.takes_comments:
                self._exchange.keep_alive_comment(out)
                return b""
            if scan.saw_error:  # nothing has been said yet: it is as if the server had answered with this error
                Case.cut(self, fault_of_event(scan.error, self._engine, self._ask.operation))
                return b""
            if len(held) + len(out) <= HELD_BYTES and not (scan.is_complete or b'"prompt_progress"' in out):
                self._held = held + out
                return b""
        self._held = None
        self._open()
        return held + out

    def _failed_first(self, scan: StreamScan, out: bytes) -> bytes:
        """The stream is open, and has said an error in place of content, which the client knows nothing of: it has
        broken off there, and may be continued. Nothing more to be sent than `out`, which it had said before."""
        fault = fault_of_event(scan.error, self._engine, self._ask.operation)
        scan.has_withheld = False
        if out:
            self._send(out)
        Case.cut(self, StreamCut(fault.message) if isinstance(fault, UpstreamFailed) else fault)
        return b""

    def end(self) -> None:
        """The upstream has ended its stream: a clean end only if the stream itself said so."""
        scan = self._scan
        rest = (b"" if self._translator is None else scan.feed(self._translator.end())) + scan.rest()
        words, is_well = self._words, scan.is_complete and not scan.saw_error
        if words is not None:
            rest = self._said(words, rest, is_last=is_well)
            if self.done.is_set:
                return
        if isinstance(scan, StreamScan) and scan.has_withheld:
            self._failed_first(scan, rest)
            return
        if self._held is not None and scan.saw_error:
            return Case.cut(self, fault_of_event(scan.error, self._engine, self._ask.operation))
        if self._held is not None and is_well:
            rest, self._held = self._held + rest, None
            self._open()
        if rest and self._held is None:
            self._send(rest)
        if is_well:
            self._exchange.finish(LAST_CHUNK if self._is_chunked else b"")
            super().end()
        else:
            self.cut(StreamCut())

    def cut(self, fault: Fault) -> None:
        """The stream broke off. Where the upstream has said so itself, the client knows and need not be told again;
        after `[DONE]` nothing of the answer can be missing."""
        if self.done.is_set:
            return  # what is wrong has been found before, and is about to be said
        scan = self._scan
        if self._held is None:
            if scan.is_done:
                self._exchange.finish(LAST_CHUNK if self._is_chunked else b"")
                super().end()
                return
            if scan.saw_error:
                self._exchange.finish(LAST_CHUNK if self._is_chunked else b"")
                fault = UpstreamFailed("the model's server failed in the middle of its answer")
            elif scan.is_in_event and self._words is None:
                self._send(scan.separator)  # or what is said next would be taken for the rest of that event
        super().cut(fault)

    # Where it has broken off and somebody else goes on

    @property
    def can_continue(self) -> bool:
        """Whether another replica could go on where this stream has broken off."""
        kept = self._translator
        return isinstance(kept, Continuation) and kept.can_continue and not self._scan.saw_error

    def asks(self, answers: Sequence[bytes]) -> Outgoing | None:
        """What it is to be asked next; see `Continuation`. None: `end` says what is missing."""
        kept = self._translator
        assert isinstance(kept, Continuation)
        self.done = Signal()
        return kept.asks(answers)

    def resume(self, answer: UpstreamConnection, silence_s: float) -> None:
        """Pass on what comes from `answer` as the rest of the stream; then `done` is to be awaited again."""
        if not answer.is_event_stream:
            raise UpstreamFailed("the model's server does not stream")
        exchange = self._exchange
        exchange.forget_request()
        exchange.watch(answer, silence_s)
        self._answer = answer
        answer.attach(self)
        if exchange.is_write_paused:
            answer.pause_reading()

    def _said(self, words: AnswerTranslator, data: bytes, *, is_last: bool = False) -> bytes:
        """`data` in the dialect's words; nothing more once that has failed, which cuts the answer."""
        if self.done.is_set:
            return b""
        try:
            said = words.feed(data) if data else b""
            return said + words.end() if is_last else said
        except (*ODD_SHAPES, Fault) as error:
            Case.cut(self, error if isinstance(error, Fault) else malformed())
            return b""

    def _send(self, data: bytes) -> None:
        self._exchange.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)
