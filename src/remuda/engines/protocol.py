"""What the gateway needs to know of a kind of engine, and nothing more."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.faults import Fault


class StreamTranslator(Protocol):
    """Turns an engine's events into those of the API it speaks, as they come. One for each answer; it never raises."""

    def feed(self, data: bytes) -> bytes:
        """What the client is to get for the next piece of the stream, in whole events; empty until one is complete."""
        ...

    def end(self) -> bytes:
        """What is left once the stream is over; asked for once."""
        ...


@runtime_checkable
class Continuation(StreamTranslator, Protocol):
    """A translator that keeps what it takes to continue its stream on another server, should this one break off.

    What it is fed after `asks` has named the last request is that request's answer. What comes out goes on where the
    stream broke off: whole events of the same answer, nothing twice, usage for all of it.
    """

    @property
    def can_continue(self) -> bool:
        """Whether the answer would be the same as if nothing had happened, chance in the choice of tokens aside."""
        ...

    def asks(self, answers: "Sequence[bytes]") -> "Outgoing | None":
        """What another server of the same kind, with the same model, is to be asked next, once it has said `answers` to
        all before. The last one is streamed, the others are not. None: nothing is missing but what `end` will say.

        Raises a Fault where the stream cannot be continued after all.
        """
        ...


class Outgoing(msgspec.Struct, eq=False):
    """An ask in the words of an engine."""

    path: str
    """Path below the server's base address, with a leading slash."""
    body: bytes
    """Nothing any more once it has been sent: its answer may take minutes, and thousands of others as well."""
    is_streamed: bool
    """The engine answers piece by piece (with server-sent events, unless it is native), whatever the client asked
    for."""
    may_emit_progress: bool = False
    """The stream may hold prompt-progress events, which the client did not ask for and must not see."""
    translate: Callable[[], StreamTranslator] | None = None
    """Makes what the answer's stream has to go through before anybody else looks at it; None: nothing."""
    is_continuable: bool = False
    """What `translate` makes is a `Continuation`."""
    is_native: bool = False
    """It is the client's own dialect (`Ask.native`): the answer is passed on without any translation."""


class Engine(Protocol):
    """How one kind of engine is spoken to. Stateless: one object serves all replicas of its kind."""

    @property
    def kind(self) -> str:
        """The field's word for it, e.g. `llama.cpp`."""
        ...

    @property
    def reuses_after_stream(self) -> bool:
        """Whether a connection may carry another request after a streamed answer."""
        ...

    @property
    def slots_path(self) -> str | None:
        """Where the server tells which of its slots are busy; None where it does not tell."""
        ...

    @property
    def counts_tokens(self) -> bool:
        """Whether the server can tell how many tokens a prompt has, without a slot for it."""
        ...

    def busy_slots(self, body: bytes) -> int:
        """How many slots are busy, by what stands at `slots_path`; raises ValueError where it makes no sense."""
        ...

    def outgoing(self, ask: Ask, upstream_model: str) -> Outgoing:
        """The ask as this engine takes it. Raises NotOffered where the engine lacks the operation."""
        ...

    def fault_of(self, status: int, body: bytes, operation: Operation) -> Fault:
        """The fault that an answer with `status` >= 400 stands for."""
        ...
