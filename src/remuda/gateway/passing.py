"""What the cases of the step `relay` share: an answer under way, and what is said of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

import msgspec

from remuda.core.faults import Fault, UpstreamFailed
from remuda.engines.protocol import StreamTranslator
from remuda.gateway.drive import Signal
from remuda.gateway.exchange import Exchange
from remuda.gateway.face import AnswerTranslator
from remuda.gateway.upstream import UpstreamConnection

FOLDED_BYTES: Final = 64 * 1024 * 1024
"""Bound on a streamed answer that is folded into one, and on a whole one that is translated."""

ODD_SHAPES: Final = (msgspec.MsgspecError, ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What reading JSON of an unexpected shape raises."""

TRUNCATED: Final = b"x-remuda-truncated: true\r\n"


class Case(ABC):
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


def head_of(words: AnswerTranslator, exchange: Exchange) -> bytes:
    """What the head of a translated answer says of its body."""
    return b"content-type: %b\r\n%b" % (words.content_type, own_id(exchange))


def own_id(exchange: Exchange) -> bytes:
    """The request's id as a line of a head, where the dialect has a name of its own for that."""
    name = exchange.route.face.id_header
    return b"%b: %b\r\n" % (name, exchange.id.encode()) if name else b""


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


def translator_of(exchange: Exchange) -> StreamTranslator | None:
    """What the stream of the engine that was asked has to go through first."""
    outgoing = exchange.outgoing
    return None if outgoing is None or outgoing.translate is None else outgoing.translate()
