"""What the events of llama.cpp's streams hold, as far as those who continue one need to know."""

from typing import Annotated, Any, Final

import msgspec

from remuda.wire.answers import UsageFields
from remuda.wire.sse import data_of

LOST: Final = "\ufffd".encode()
"""What the engine says for bytes that are no character: which they were is not to be known."""
_PLAIN: Final = b'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"'

ODD: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading an event of another shape raises."""


class Progress(msgspec.Struct):
    """How much of the prompt has been read."""

    total: int = 0
    """Tokens."""
    cache: int = 0
    """Of these, those that the engine held already."""


class Delta(msgspec.Struct):
    """What is new of a chat's message."""

    content: str | None = None
    role: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[msgspec.Raw] | None = None
    refusal: str | None = None


class Choice(msgspec.Struct):
    """What is new of one answer: of a chat its `delta`, of a text completion its `text`."""

    index: Annotated[int, msgspec.Meta(ge=0, lt=1024)] = 0
    delta: Delta = msgspec.field(default_factory=Delta)
    text: str | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    """An event's data."""

    choices: list[Choice] = []
    usage: UsageFields | None = None
    prompt_progress: Progress | None = None
    verbose: Any = msgspec.field(default=None, name="__verbose")
    """Where the engine was asked for it (`Ask.wants_stop_word`): the stop word that ended the answer."""
    error: Any = None


decode_chunk = msgspec.json.Decoder(Chunk).decode


def plain_text(data: bytes) -> bytes:
    """The text that a read brings which is one event of a chat with nothing else in it, as most are; empty where it has
    to be looked at more closely. Not reading it as JSON saves two thirds of what keeping it costs."""
    if not data.startswith(_PLAIN) or data.find(b"\n") != len(data) - 2:
        return b""
    text = data[len(_PLAIN) : data.find(b'"}}],"created":', len(_PLAIN))]
    return b"" if b'"' in text or b"\\" in text else text


def is_event(rest: bytes) -> bool:
    """Whether what a stream ended with is an event that lacks its blank line alone."""
    data = data_of(rest)
    try:
        return bool(data) and (data == b"[DONE]" or msgspec.json.decode(data) is not None)
    except ODD:
        return False
