"""A `tool_choice` in words llama.cpp understands, and what it makes of one.

It knows `auto`, `none` and `required`, and takes an object for `auto` without a word. Offered that one function alone
and required to call one, the model does what the client asked for. With `none` it still tells the model of the tools,
which then writes its calls as text. With `required` it lets the model talk before it calls.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from remuda.core.faults import InvalidRequest
from remuda.engines.body import Fields
from remuda.wire.sse import EventSplitter, data_of

REQUIRED: Final = b'"required"'


class _Function(msgspec.Struct):
    name: str = ""


class _Named(msgspec.Struct):
    """A tool, or the choice of one: chat has the name inside `function`, the responses API beside `type`."""

    type: str = ""
    name: str = ""
    function: _Function | None = None

    @property
    def called(self) -> str:
        return self.function.name if self.function is not None else self.name


def chosen_tool(fields: Fields) -> dict[str, bytes]:
    """The fields that stand for the choice of one function, or of none; empty for all other choices.

    Raises InvalidRequest where no tool has that name.
    """
    choice = fields.get("tool_choice")
    if choice is not None and bytes(choice) == b'"none"' and bytes(fields.get("tools", b"")).startswith(b"["):
        return {"tools": b"[]"}
    if choice is None or not bytes(choice).startswith(b"{"):
        return {}
    try:
        named = msgspec.json.decode(choice, type=_Named)
        tools = msgspec.json.decode(fields.get("tools", b"[]"), type=list[msgspec.Raw])
        offered = [tool for tool in tools if msgspec.json.decode(tool, type=_Named).called == named.called]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}  # whatever it is, the engine has its own words for it
    if named.type != "function" or not named.called:
        return {}
    if not offered:
        raise InvalidRequest(
            f"tool_choice names the function {named.called[:200]!r}, which is not among the tools.",
            parameter="tool_choice",
        )
    return {"tools": msgspec.json.encode(offered), "tool_choice": REQUIRED}


def is_required(fields: Fields, changed: Mapping[str, bytes]) -> bool:
    """Whether the model has to call a tool, by a request's fields and what was made of them."""
    return (changed.get("tool_choice") or bytes(fields.get("tool_choice", b""))) == REQUIRED


class CallsAlone:
    """Leaves out of a chat's stream what a model that must call a tool says before it does.

    Text is held back until a call shows that it was none of the answer's; where none comes, it goes out with the end.
    """

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._held: dict[int, list[bytes]] = {}
        """Events that hold nothing but text, by the choice they belong to."""
        self._called: set[int] = set()

    def feed(self, data: bytes) -> bytes:
        """What goes out for the events that `data` completes."""
        return b"".join([self._event(event) for event in self._splitter.feed(data)])

    def end(self) -> bytes:
        """What is left when the stream is over."""
        held = b"".join([event for index in self._held for event in self._released(index)])
        return held + self._splitter.rest()

    def _event(self, event: bytes) -> bytes:
        choice = _choice_in(event)
        if choice is None:
            return event
        index, delta = choice.index, choice.delta
        if delta.tool_calls:
            self._called.add(index)
            self._held.pop(index, None)
        elif choice.finish_reason:
            return b"".join(self._released(index)) + event
        elif delta.content:
            if index not in self._called:
                self._held.setdefault(index, []).append(event)
            return b""
        return event

    def _released(self, index: int) -> list[bytes]:
        events, self._held[index] = self._held.get(index, []), []
        return events


class _Delta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[msgspec.Raw] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


def _choice_in(event: bytes) -> _Choice | None:
    """The one choice that an event of llama.cpp's is about; None where it is about something else."""
    try:
        chunk = _decode(data_of(event))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return chunk.choices[0] if len(chunk.choices) == 1 and chunk.error is None else None
