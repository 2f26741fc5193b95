"""The `context` of `/api/generate`: the conversation so far, in numbers that come back with the next prompt.

Ollama's numbers are tokens of one model. Clients do not look into them, so those of this gateway hold the conversation
itself, compressed: they suit every engine, cost no question to one, and nothing has to be remembered here. What comes
back is read as a client's own messages would be, for that is what it is.
"""

import zlib
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from remuda.core.faults import InvalidRequest

MARK: Final = 0x52_65_6D_75_64_61
"""The first number: no tokens begin so, as no model has that many."""
MAX_CHARS: Final = 128 * 1024
"""Of a conversation: what is longer is not packed."""
MAX_BYTES: Final = 8 * MAX_CHARS
"""Of what comes back, unpacked: JSON of such a text, whatever it is written in, with all there is around it."""
_HEAD_CHARS: Final = 20
"""What a message counts for beside its text."""
_EACH: Final = 6
"""Bytes in a number: what JavaScript, too, reads without loss."""

Role = Literal["system", "user", "assistant"]


class Said(NamedTuple):
    """One message."""

    role: Role
    text: str


class Memory:
    """A conversation whose next message is being said."""

    __slots__ = ("_answer", "_left", "_said")

    def __init__(self, said: Sequence[Said]) -> None:
        self._said = said
        self._answer = bytearray()
        self._left = MAX_CHARS - sum(len(each.text) + _HEAD_CHARS for each in said)

    def add(self, text: str) -> None:
        """A piece of that message."""
        self._left -= len(text)
        if self._left >= 0:
            self._answer += text.encode(errors="replace")
        elif self._answer:
            self._answer = bytearray()

    def context(self) -> list[int] | None:
        """The numbers for all of it; None where it has grown too long."""
        return None if self._left < 0 else context_of([*self._said, Said("assistant", self._answer.decode())])


_decode: Final = msgspec.json.Decoder(list[tuple[Role, str]]).decode


def context_of(messages: Sequence[Said]) -> list[int]:
    """The numbers that stand for `messages`."""
    packed = zlib.compress(msgspec.json.encode(messages), 1)
    packed += bytes(-len(packed) % _EACH)
    return [MARK, *(int.from_bytes(packed[at : at + _EACH], "big") for at in range(0, len(packed), _EACH))]


def messages_in(context: Sequence[int]) -> list[Said]:
    """The messages that `context` stands for; raises InvalidRequest where it is none of this gateway's."""
    if context[0] != MARK:
        raise _foreign()
    unpacking = zlib.decompressobj()
    try:
        packed = b"".join([number.to_bytes(_EACH, "big") for number in context[1:]])
        messages = [Said(role, text) for role, text in _decode(unpacking.decompress(packed, MAX_BYTES))]
    except (zlib.error, OverflowError, msgspec.MsgspecError, UnicodeDecodeError):
        raise _foreign() from None
    if not unpacking.eof:
        raise _foreign()
    return messages


def _foreign() -> InvalidRequest:
    return InvalidRequest(
        "'context' is not one that answers for this model have: send the conversation's messages to /api/chat",
        parameter="context",
    )
