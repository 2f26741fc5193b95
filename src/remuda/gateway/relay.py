"""Step: pass the answer on. Four cases, by what the client wants and what the upstream sends:

- whole to whole: the body is gathered and sent at once; a long one is spliced through.
- stream to stream: spliced by callbacks, each read passed on as it is but for a scan (first content, usage, the end).
- stream to whole: gathered and folded into one answer (engines that can only be cancelled while they stream).
- whole to stream (an upstream that does not stream): passed on as it is.

A dialect whose words are not the engine's has a translator, which everything goes through last. An engine that was
asked in the dialect's own words (`Outgoing.is_native`) needs none: its bytes are the client's.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from remuda.core.ask import Ask
from remuda.core.faults import Fault, StreamCut, UpstreamFailed
from remuda.core.usage import NO_USAGE
from remuda.fleet.replica import Replica
from remuda.gateway.exchange import LAST_CHUNK, Exchange
from remuda.gateway.face import AnswerTranslator
from remuda.gateway.fit import BYTES_PER_TOKEN, fit_of
from remuda.gateway.passing import (
    FOLDED_BYTES,
    ODD_SHAPES,
    Case,
    head_of,
    malformed,
    no_answer,
    own_id,
    told,
    too_large,
    translator_of,
)
from remuda.gateway.splice import Splice
from remuda.gateway.upstream import UpstreamConnection
from remuda.wire.answers import facts_of_whole
from remuda.wire.fold import Fold, fold_for
from remuda.wire.message_events import MessageFacts, facts_of_message
from remuda.wire.ollama_lines import LineFacts, facts_of_line
from remuda.wire.texts import answer_text

GATHERED_BYTES: Final = 1024 * 1024
"""A whole answer up to this size is gathered before any of it is sent: until then another replica can be tried."""
JSON: Final = b"content-type: application/json\r\n"
NATIVE_FACTS: Final[Mapping[str, Callable[[bytes], LineFacts | MessageFacts]]] = MappingProxyType(
    {"ollama": facts_of_line, "anthropic": facts_of_message}
)
"""What reads a whole answer in a dialect's own words, by the dialect's name."""
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
        context = (ask.context_length if is_native else None) or replica.context_length
        exchange.fit = None
        if context is not None and len(ask.body) > BYTES_PER_TOKEN * context:
            exchange.fit = fit_of(ask, context)
        if exchange.is_kept_alive and not is_stream:
            raise UpstreamFailed("the model's server does not stream, and the client was promised a stream")
        if answer.is_complete and not is_stream:
            send_whole(answer, answer.take_body(), exchange, self._monotonic(), words)
            return None
        passing: Passing
        if not is_stream:
            passing = Gathered(answer, exchange, words, self._monotonic)
        elif ask.is_streamed or is_native:
            passing = Splice(answer, exchange, ask, words, self._monotonic, replica.engine)
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
        headers += own_id(exchange)
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
    if not body.lstrip().startswith(b"{"):
        raise no_answer()
    facts = NATIVE_FACTS[exchange.route.face.name](body)
    exchange.usage, exchange.finish_reason = facts.usage or NO_USAGE, facts.finish_reason
    if exchange.transcript is not None:
        exchange.transcript.append(facts.text)


class _Waiting(Case):
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
        self._translator = translator_of(exchange)
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

    def settle(self) -> None:
        """Write down how long it took, whichever way it ended, and what was used where nobody has said it."""
        super().settle()
        if self._exchange.usage is NO_USAGE:
            self._exchange.usage = self._fold.so_far()

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


Passing = Gathered | Folding | Splice
"""An answer that is being passed on."""
