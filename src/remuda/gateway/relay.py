"""Step: pass the answer on. Four cases, by what the client wants and what the upstream sends:

- whole to whole: the body is gathered and sent at once; a long one is spliced through.
- stream to stream: spliced by callbacks, each read passed on as it is but for a scan (first content, usage, the end).
- stream to whole: gathered and folded into one answer (engines that can only be cancelled while they stream).
- whole to stream (an upstream that does not stream): passed on as it is.

A dialect whose words are not the engine's has a translator, which everything goes through last. An engine that was
asked in the dialect's own words (`Outgoing.is_native`) needs none: its bytes are the client's.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from remuda.core.ask import Ask
from remuda.core.faults import Fault, StreamCut, UpstreamFailed
from remuda.core.usage import NO_USAGE
from remuda.engines.protocol import Continuation, Outgoing, StreamTranslator
from remuda.fleet.replica import Replica
from remuda.gateway.drive import Signal
from remuda.gateway.exchange import EVENT_STREAM, LAST_CHUNK, UNBUFFERED, Exchange
from remuda.gateway.face import AnswerTranslator
from remuda.gateway.fit import fit_of
from remuda.gateway.line_scan import LineScan
from remuda.gateway.scan import StreamScan
from remuda.gateway.upstream import UpstreamConnection
from remuda.wire.answers import facts_of_whole
from remuda.wire.fold import Fold, fold_for
from remuda.wire.ollama_lines import UNKNOWN_LINE, facts_of_line
from remuda.wire.texts import answer_text

GATHERED_BYTES: Final = 1024 * 1024
"""A whole answer up to this size is gathered before any of it is sent: until then another replica can be tried."""
FOLDED_BYTES: Final = 64 * 1024 * 1024
"""Bound on a streamed answer that is folded into one, and on a whole one that is translated."""

ODD_SHAPES: Final = (msgspec.MsgspecError, ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What reading JSON of an unexpected shape raises."""

JSON: Final = b"content-type: application/json\r\n"
TRUNCATED: Final = b"x-remuda-truncated: true\r\n"
LINES: Final = b"content-type: application/x-ndjson"
"""How the head of an answer in lines says so."""


class Relay:
    """Passes answers on."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic

    def pass_on(self, answer: UpstreamConnection, exchange: Exchange, ask: Ask, replica: Replica) -> "Passing | None":
        """Send `answer` to the client, at once where it came whole (None); else begin to, and return what is to be
        awaited (`done`, which raises a Fault where the answer broke off), concluded, and settled in any case."""
        outgoing = exchange.outgoing
        is_native = outgoing is not None and outgoing.is_native
        is_stream = answer.is_event_stream or (is_native and LINES in answer.header_lines)
        words = None if is_native else exchange.route.face.translator(ask)
        context = replica.context_length
        exchange.fit = fit_of(ask, ask.context_length or context if is_native else context)
        if exchange.is_kept_alive and not is_stream:
            raise UpstreamFailed("the model's server does not stream, and the client was promised a stream")
        if answer.is_complete and not is_stream:
            send_whole(answer, answer.take_body(), exchange, self._monotonic(), words)
            return None
        passing: Passing
        if not is_stream:
            passing = Gathered(answer, exchange, words, self._monotonic)
        elif ask.is_streamed or is_native:
            passing = Splice(answer, exchange, ask, words, self._monotonic)
        else:
            passing = Folding(answer, exchange, ask, words, self._monotonic)
        exchange.watch(answer, replica.deadlines.silence_s)
        passing.begin()
        return passing


def send_whole(
    answer: UpstreamConnection, body: bytes, exchange: Exchange, now: float, words: AnswerTranslator | None
) -> None:
    """Send an answer that came whole."""
    headers, said = answer.header_lines, body
    if words is not None:
        said = words.whole(body)  # first, and before anything is noted: where it fails another replica may be tried
        headers = head_of(words, exchange)
    outgoing = exchange.outgoing
    if outgoing is not None and outgoing.is_native:
        _note_native(body, exchange)
    else:
        facts = facts_of_whole(body)
        if not facts.is_json:
            raise no_answer()
        exchange.usage, exchange.finish_reason = facts.usage, facts.finish_reason
        if exchange.transcript is not None:
            exchange.transcript.append(answer_text(body))
    exchange.status = answer.status
    exchange.first_content_at = now
    exchange.answer(answer.status, headers + told(exchange, now), said)


def _note_native(body: bytes, exchange: Exchange) -> None:
    facts = facts_of_line(body)
    if facts is UNKNOWN_LINE and not body.lstrip().startswith(b"{"):
        raise no_answer()
    exchange.usage, exchange.finish_reason = facts.usage or NO_USAGE, facts.finish_reason
    if exchange.transcript is not None:
        exchange.transcript.append(facts.text)


def head_of(words: AnswerTranslator, exchange: Exchange) -> bytes:
    """What the head of a translated answer says of its body, and its id where the dialect has a name of its own for
    that."""
    head = b"content-type: %b\r\n" % words.content_type
    return b"%b%b: %b\r\n" % (head, words.id_header, exchange.id.encode()) if words.id_header else head


def told(exchange: Exchange, now: float) -> bytes:
    """What the gateway has to say of the answer, as lines of a head: how long it has taken itself, and whether the
    engine has seen less of the prompt than was sent, as far as that is known by now."""
    line = b"x-remuda-overhead-ms: %.2f\r\n" % ((now - exchange.started - exchange.upstream_s) * 1e3)
    fit = exchange.fit
    return line if fit is None or not fit.is_truncated(exchange.usage) else line + TRUNCATED


def too_large() -> UpstreamFailed:
    """The upstream's answer is beyond what is held."""
    return UpstreamFailed("the model's answer is larger than this gateway holds")


def no_answer() -> UpstreamFailed:
    """What the upstream says is none of a model: a page for people, say, from a proxy before it."""
    return UpstreamFailed("the model's server answered something that is not JSON")


def malformed() -> UpstreamFailed:
    """The upstream's stream is not what it should be."""
    return UpstreamFailed("the model's server sent a malformed stream")


def _translator_of(exchange: Exchange) -> StreamTranslator | None:
    """What the stream of the engine that was asked has to go through first."""
    outgoing = exchange.outgoing
    return None if outgoing is None or outgoing.translate is None else outgoing.translate()


class _Passing(ABC):
    """What the cases share: a signal that is set when the answer is over, well or with its fault."""

    __slots__ = ("_answer", "_exchange", "_monotonic", "_words", "done")

    def __init__(
        self,
        answer: UpstreamConnection,
        exchange: Exchange,
        words: AnswerTranslator | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._answer = answer
        self._exchange = exchange
        self._words = words
        """What the dialect makes of the answer; None: nothing."""
        self._monotonic = monotonic
        self.done = Signal()

    def end(self) -> None:
        """The answer is complete."""
        self.done.set()

    def cut(self, fault: Fault) -> None:
        """The answer broke off."""
        self.done.set(fault)

    @abstractmethod
    def body(self, data: bytes) -> None:
        """A piece of the answer."""


class _Waiting(_Passing):
    """The cases in which the client waits for the whole answer."""

    __slots__ = ("_began",)

    def begin(self) -> None:
        """Take the answer."""
        self._began = self._monotonic()
        self._answer.attach(self)

    def settle(self) -> None:
        """Write down how long it took, whichever way it ended."""
        self._exchange.unwatch()
        self._exchange.upstream_s += self._monotonic() - self._began


class Gathered(_Waiting):
    """Gathers a whole answer; beyond a bound, passes it through as it comes, at the client's pace."""

    __slots__ = ("_is_chunked", "_is_spliced", "_parts")

    def __init__(
        self,
        answer: UpstreamConnection,
        exchange: Exchange,
        words: AnswerTranslator | None,
        monotonic: Callable[[], float],
    ) -> None:
        super().__init__(answer, exchange, words, monotonic)
        self._is_chunked = False
        self._is_spliced = False
        self._parts = bytearray()

    def body(self, data: bytes) -> None:
        """A piece of the answer."""
        exchange = self._exchange
        if self._is_spliced:
            exchange.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)
            return
        self._parts += data
        if self._words is not None:
            if len(self._parts) > FOLDED_BYTES:
                self.cut(too_large())
        elif len(self._parts) > GATHERED_BYTES:
            if not self._parts.lstrip().startswith(b"{"):
                self.cut(no_answer())
                return
            self._is_spliced = True
            answer = self._answer
            exchange.status = answer.status
            self._is_chunked = exchange.start(answer.status, answer.header_lines, answer.content_length)
            held, self._parts = bytes(self._parts), bytearray()
            self.body(held)
            if exchange.is_write_paused:
                answer.pause_reading()

    def conclude(self) -> None:
        """The answer is whole: send it, or the end of it."""
        exchange = self._exchange
        if self._is_spliced:
            exchange.finish(LAST_CHUNK if self._is_chunked else b"")
        else:
            now = self._monotonic()
            exchange.upstream_s += now - self._began
            self._began = now
            send_whole(self._answer, bytes(self._parts), exchange, now, self._words)


class Folding(_Waiting):
    """Gathers a stream of events that one whole answer is made of."""

    __slots__ = ("_fold", "_size", "_translator")

    def __init__(
        self,
        answer: UpstreamConnection,
        exchange: Exchange,
        ask: Ask,
        words: AnswerTranslator | None,
        monotonic: Callable[[], float],
    ) -> None:
        super().__init__(answer, exchange, words, monotonic)
        self._fold: Fold = fold_for(ask)
        self._translator = _translator_of(exchange)
        self._size = 0

    def body(self, data: bytes) -> None:
        """A piece of the stream."""
        self._size += len(data)
        if self._size > FOLDED_BYTES:
            self.cut(too_large())
            return
        try:
            self._fold.feed(data if self._translator is None else self._translator.feed(data))
        except (*ODD_SHAPES, Fault) as error:
            self.cut(error if isinstance(error, Fault) else malformed())
            return
        if self._exchange.first_content_at is None and self._fold.has_content:
            self._exchange.first_content_at = self._monotonic()

    def end(self) -> None:
        """The stream is over: whole only if it said so itself."""
        if self._fold.is_complete:
            super().end()
        else:
            self.cut(StreamCut())

    def conclude(self) -> None:
        """Send the one answer."""
        exchange = self._exchange
        now = self._monotonic()
        exchange.upstream_s += now - self._began
        self._began = now
        try:
            body, usage, finish_reason = self._fold.result()
        except ODD_SHAPES as error:
            raise malformed() from error
        words = self._words
        said, head = (body, JSON) if words is None else (words.whole(body), head_of(words, exchange))
        exchange.status = 200
        exchange.usage, exchange.finish_reason = usage, finish_reason
        if exchange.transcript is not None:
            exchange.transcript.append(answer_text(body))
        exchange.answer(200, head + told(exchange, self._monotonic()), said)


class Splice(_Passing):
    """Passes a stream through, read by read."""

    __slots__ = (
        "_ask",
        "_awaits_content",
        "_bytes_out",
        "_is_chunked",
        "_is_native",
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
    ) -> None:
        super().__init__(answer, exchange, words, monotonic)
        outgoing = exchange.outgoing
        self._ask = ask
        self._translator = _translator_of(exchange)
        drops_progress = outgoing is not None and outgoing.may_emit_progress
        self._transport = exchange.transport
        self._scan: StreamScan | LineScan
        self._is_native = outgoing is not None and outgoing.is_native
        if self._is_native and not answer.is_event_stream:
            self._scan = LineScan(exchange.transcript)
        else:
            self._scan = StreamScan(ask, drops_progress=drops_progress, transcript=exchange.transcript)
        self._is_chunked = False
        self._awaits_content = True
        self._bytes_out = 0

    def begin(self) -> None:
        """Pass on what there is, and all that comes."""
        exchange, answer = self._exchange, self._answer
        exchange.is_streamed = True
        exchange.status = answer.status
        if self._is_native:
            kind = answer.header_lines + UNBUFFERED
        else:
            kind = EVENT_STREAM if self._words is None else head_of(self._words, exchange) + UNBUFFERED
        head = kind + told(exchange, self._monotonic())
        self._is_chunked = exchange.start(answer.status, head, None)
        # Now no other replica is asked any more: what asking takes, and the head, need not be held any longer.
        self._ask.body = answer.header_lines = b""
        self._ask.native = None
        exchange.forget_request()
        answer.attach(self)
        if exchange.is_write_paused:
            answer.pause_reading()  # attaching has set it going

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

    def body(self, data: bytes) -> None:
        """One read of the stream. This is the hot path: nothing runs here that could run once per stream."""
        out = self._scan.feed(data if self._translator is None else self._translator.feed(data))
        if self._words is not None:
            out = self._said(self._words, out)
        if out:
            if self._is_chunked:
                out = b"%x\r\n%b\r\n" % (len(out), out)
            self._bytes_out += len(out)
            self._transport.write(out)
        if self._awaits_content and self._scan.saw_content:
            self._awaits_content = False
            self._exchange.first_content_at = self._monotonic()

    def end(self) -> None:
        """The upstream has ended its stream: a clean end only if the stream itself said so."""
        scan = self._scan
        rest = (b"" if self._translator is None else scan.feed(self._translator.end())) + scan.rest()
        words, is_well = self._words, scan.is_complete and not scan.saw_error
        if words is not None:
            rest = self._said(words, rest, is_last=is_well)
            if self.done.is_set:
                return
        if rest:
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
            _Passing.cut(self, error if isinstance(error, Fault) else malformed())
            return b""

    def _send(self, data: bytes) -> None:
        self._exchange.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)


Passing = Gathered | Folding | Splice
"""An answer that is being passed on."""
