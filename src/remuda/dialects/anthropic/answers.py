"""Answers of engines, in OpenAI's shapes, as Anthropic says them: in named events, or whole."""

from typing import Any, Final

import msgspec

from remuda.core.ask import Ask
from remuda.core.faults import Fault, UpstreamFailed
from remuda.core.usage import NO_USAGE, Usage
from remuda.dialects.anthropic.errors import stream_error
from remuda.wire.answers import UsageFields
from remuda.wire.sse import EventSplitter, data_of

HELD_BYTES: Final = 4 * 1024 * 1024
"""Bound on an event whose end has not come."""
EVENTS: Final = b"text/event-stream; charset=utf-8"
JSON: Final = b"application/json"
STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
"""Engines do not tell by which of several sequences they stopped, so `stop_sequence` is not said."""
_ODD: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
Json = dict[str, Any]


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _CallPiece(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_CallPiece] | None = None


class _Choice(msgspec.Struct):
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []
    usage: UsageFields | None = None
    error: Any = None


_decode_answer: Final = msgspec.json.Decoder(_Answer).decode
_decode_arguments: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class MessagesAnswer:
    """The answer to one request."""

    __slots__ = (
        "_block",
        "_finish",
        "_has_called",
        "_id",
        "_is_begun",
        "_is_over",
        "_model",
        "_number",
        "_splitter",
        "_usage",
        "content_type",
    )

    def __init__(self, ask: Ask, message_id: str) -> None:
        self._id = message_id
        self._model = ask.model
        self._splitter = EventSplitter()
        self._is_begun = False
        self._is_over = False
        """The last event has been said, well or not."""
        self._block: str | int | None = None
        """The block that is open: `text`, `thinking`, or a tool call by its index."""
        self._number = -1
        """Of that block."""
        self._finish = ""
        self._has_called = False
        self._usage: Usage = NO_USAGE
        self.content_type = EVENTS if ask.is_streamed else JSON

    def feed(self, data: bytes) -> bytes:
        """The events that a piece of the stream comes to."""
        said: list[bytes] = []
        try:
            for event in self._splitter.feed(data):
                chunk = data_of(event)
                if self._is_over or not chunk or chunk == b"[DONE]":
                    continue  # what follows the end is said in `end`, which is asked for only where all is well
                said.append(self._chunk(_decode_answer(chunk)))
        except _ODD as error:
            raise self._failed("the model's server sent a malformed stream") from error
        if len(self._splitter.carry) > HELD_BYTES:
            raise self._failed("the model's server sent an event larger than this gateway holds")
        return b"".join(said)

    def end(self) -> bytes:
        """The events that close the answer."""
        if self._is_over:
            return b""
        self._is_over = True
        delta = {"stop_reason": self._stop_reason(), "stop_sequence": None}
        return (
            self._begun()
            + self._closed()
            + _event("message_delta", delta=delta, usage=_usage(self._usage))
            + _event("message_stop")
        )

    def whole(self, body: bytes) -> bytes:
        """The answer in one piece."""
        try:
            answer = _decode_answer(body)
        except _ODD as error:
            raise self._failed("the model's server sent a malformed answer") from error
        if not answer.choices:
            raise self._failed("the model's server sent an answer without an answer in it")
        choice = answer.choices[0]
        said = choice.message or _Said()
        self._note(answer, choice)
        blocks: list[Json] = []
        if thinking := said.reasoning_content or said.reasoning:
            blocks.append({"type": "thinking", "thinking": thinking, "signature": ""})
        if said.content:
            blocks.append({"type": "text", "text": said.content})
        blocks += [self._call(call) for call in said.tool_calls or ()]
        made = self._message(blocks) | {"stop_reason": self._stop_reason()} | {"usage": _usage(self._usage)}
        return msgspec.json.encode(made)

    def _call(self, call: _CallPiece) -> Json:
        self._has_called = True
        function = call.function or _Function()
        text = (function.arguments or "").strip() or "{}"
        try:
            _decode_arguments(text)
        except _ODD as error:
            raise self._failed("the model called a tool with arguments that are no JSON object") from error
        # The bytes as the model wrote them: numbers keep their digits.
        return {
            "type": "tool_use",
            "id": call.id or f"toolu_{self._id}_{call.index}",
            "name": function.name or "",
            "input": msgspec.Raw(text.encode()),
        }

    def _chunk(self, chunk: _Answer) -> bytes:
        """What one event of the stream comes to."""
        if chunk.error is not None:
            self._is_over = True
            return stream_error(UpstreamFailed(_words(chunk.error)), self._id)
        choice = chunk.choices[0] if chunk.choices else None
        self._note(chunk, choice)
        said = (choice.delta if choice is not None else None) or _Said()
        out = self._begun()
        if thinking := said.reasoning_content or said.reasoning:
            out += self._opened("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            out += self._delta({"type": "thinking_delta", "thinking": thinking})
        if said.content:
            out += self._opened("text", {"type": "text", "text": ""})
            out += self._delta({"type": "text_delta", "text": said.content})
        for call in said.tool_calls or ():
            out += self._called(call)
        return out

    def _called(self, call: _CallPiece) -> bytes:
        self._has_called = True
        function = call.function or _Function()
        head = {
            "type": "tool_use",
            "id": call.id or f"toolu_{self._id}_{call.index}",
            "name": function.name or "",
            "input": {},
        }
        out = self._opened(call.index, head)
        if function.arguments:
            out += self._delta({"type": "input_json_delta", "partial_json": function.arguments})
        return out

    def _begun(self) -> bytes:
        if self._is_begun:
            return b""
        self._is_begun = True
        # How long the prompt was is known at the end, and said there.
        message = self._message([]) | {"stop_reason": None, "usage": _usage(NO_USAGE)}
        return _event("message_start", message=message)

    def _opened(self, block: str | int, head: Json) -> bytes:
        if self._block == block:
            return b""
        closed = self._closed()
        self._block = block
        self._number += 1
        return closed + _event("content_block_start", index=self._number, content_block=head)

    def _delta(self, delta: Json) -> bytes:
        return _event("content_block_delta", index=self._number, delta=delta)

    def _closed(self) -> bytes:
        if self._block is None:
            return b""
        self._block = None
        return _event("content_block_stop", index=self._number)

    def _message(self, blocks: list[Json]) -> Json:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": blocks,
            "stop_sequence": None,
        }

    def _note(self, answer: _Answer, choice: _Choice | None) -> None:
        if choice is not None and choice.finish_reason:
            self._finish = choice.finish_reason
        if answer.usage is not None:
            self._usage = answer.usage.usage()

    def _stop_reason(self) -> str:
        reason = STOP_REASONS.get(self._finish, "end_turn")
        return "tool_use" if self._has_called and reason == "end_turn" else reason

    def _failed(self, message: str) -> Fault:
        self._is_over = True
        return UpstreamFailed(message)


def _usage(usage: Usage) -> Json:
    """Anthropic counts what was cached apart from the rest of the prompt."""
    return {
        "input_tokens": max(0, usage.prompt_tokens - usage.cached_tokens),
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "output_tokens": usage.completion_tokens,
    }


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


def _words(error: Any) -> str:
    said = error.get("message") if isinstance(error, dict) else error
    return said[:500] if isinstance(said, str) else "the model's server failed in the middle of its answer"
