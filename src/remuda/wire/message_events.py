"""What the journal needs to know of an answer in Anthropic's own form: an event of a stream, or a whole message.

Source: Anthropic's documents, "Streaming messages" (the events and what their usage counts) and "Messages".
"""

from typing import Final

import msgspec

from remuda.core.usage import NO_USAGE, Usage

FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""`stop_reason` in the journal's words; others are kept as they are."""


class MessageUsage(msgspec.Struct, gc=False):
    """The `usage` object. In a stream it comes in pieces: each number counts for all of the answer so far."""

    input_tokens: int | None = None
    """Without those below."""
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None

    def with_later(self, later: "MessageUsage") -> "MessageUsage":
        """The same with what `later` says anew."""
        return MessageUsage(
            *(
                newer if (newer := getattr(later, name)) is not None else getattr(self, name)
                for name in self.__struct_fields__
            )
        )

    def usage(self) -> Usage:
        """The same in our words."""
        cached = self.cache_read_input_tokens or 0
        prompt = (self.input_tokens or 0) + (self.cache_creation_input_tokens or 0) + cached
        return Usage(prompt, self.output_tokens or 0, cached)


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str | None = None
    stop_reason: str | None = None


class _Message(msgspec.Struct):
    usage: MessageUsage | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: MessageUsage | None = None


class _Whole(msgspec.Struct):
    content: list[_Block] = []
    stop_reason: str | None = None
    usage: MessageUsage | None = None


class EventFacts(msgspec.Struct, frozen=True, gc=False):
    """What one event tells."""

    has_content: bool = False
    text: str = ""
    finish_reason: str = ""
    usage: MessageUsage | None = None
    is_done: bool = False
    """The last event of an answer that is complete."""
    is_error: bool = False


UNKNOWN_EVENT: Final = EventFacts(has_content=True)
"""An event of a shape we do not know is content for all we can tell."""
_ODD: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode_event: Final = msgspec.json.Decoder(_Event).decode
_decode_whole: Final = msgspec.json.Decoder(_Whole).decode


def facts_of_event(data: bytes) -> EventFacts:
    """What one event's data tells."""
    try:
        said = _decode_event(data)
    except _ODD:
        return UNKNOWN_EVENT
    delta = said.delta
    match said.type:
        case "content_block_delta":
            return EventFacts(has_content=True, text=(delta.text if delta is not None else None) or "")
        case "content_block_start":
            block = said.content_block
            # A text begins empty; the name of a tool is something.
            return EventFacts(has_content=block is not None and block.type not in ("text", "thinking"))
        case "message_start":
            return EventFacts(usage=said.message.usage if said.message is not None else None)
        case "message_delta":
            reason = (delta.stop_reason if delta is not None else None) or ""
            return EventFacts(finish_reason=FINISH_REASONS.get(reason, reason), usage=said.usage)
        case kind:
            return EventFacts(is_done=kind == "message_stop", is_error=kind == "error")


class MessageFacts(msgspec.Struct, frozen=True, gc=False):
    """What a whole message tells."""

    usage: Usage = NO_USAGE
    finish_reason: str = ""
    text: str = ""


def facts_of_message(body: bytes) -> MessageFacts:
    """What a whole message tells; nothing where `body` is none."""
    try:
        said = _decode_whole(body)
    except _ODD:
        return MessageFacts()
    reason = said.stop_reason or ""
    return MessageFacts(
        (said.usage or MessageUsage()).usage(),
        FINISH_REASONS.get(reason, reason),
        "".join([block.text for block in said.content if block.text]),
    )
