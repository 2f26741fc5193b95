"""One inference request, free of its dialect."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from remuda.core.faults import Fault


class Operation(StrEnum):
    """What is asked of a model."""

    # Enum's own hash is written in Python, and operations are looked up several times a request.
    __hash__ = str.__hash__

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    RESPONSE = "response"
    RERANK = "rerank"
    COUNT_TOKENS = "count_tokens"
    """How many tokens a chat's prompt has; nothing is generated, and no slot is taken for it."""


Told = tuple[str, float | None, int | None]
"""What the journal tells of how it was asked: for whom (a user's name or id), sampling temperature, bound of tokens."""
UNTOLD: Final[Told] = ("", None, None)
MAX_USER_CHARS: Final = 256


class Native(msgspec.Struct, frozen=True, eq=False):
    """An ask in its dialect's own words, for engines that speak these: nothing is translated then, either way."""

    dialect: str
    """The dialect's name."""
    path: str
    """Where a server that speaks it takes the ask, below its root."""
    body: bytes
    """As the client wrote it, decompressed."""
    is_streamed: bool
    """The client wants the answer piece by piece, as the dialect means it."""
    untranslatable: Fault | None = None
    """What is wrong with the ask for every engine that does not speak the dialect."""
    with_defaults: Callable[[bytes, Mapping[str, bytes]], bytes] | None = None
    """Gives a body what it does not say of parameters: fields of OpenAI's API, their values as JSON. What the dialect
    has no word for is left out. None: the ask has no use for any."""


class Ask(msgspec.Struct, eq=False):
    """An inference request as the gateway handles it: a few known fields, and the body as it came."""

    operation: Operation
    model: str
    """The name the client used: a model, or an alias of one."""
    is_streamed: bool
    """The client wants the answer piece by piece."""
    wants_usage: bool
    """A streamed answer shall end with its usage (`stream_options.include_usage`)."""
    choices: int
    """How many answers are asked for (`n`)."""
    body: bytes
    """The request's JSON, decompressed, otherwise untouched."""
    prompts: int = 1
    """How many prompts a text completion holds: each gets `choices` answers."""
    native: Native | None = None
    """The same in the words of the client's dialect, where some engines speak it."""
    told: Told = UNTOLD
    wants_stop_word: bool = False
    """The answer shall tell which of its `stop` sequences ended it, where the engine knows."""
    context_length: int | None = None
    """Tokens that an engine of the dialect's own is told to have room for; None: as many as it has."""
    is_unbounded: bool = False
    """The client has said that its answer has no bound of tokens; engines are told so by no word of one."""

    @property
    def held_bytes(self) -> int:
        """What it takes up while it waits."""
        return len(self.body) + (0 if self.native is None else len(self.native.body))
