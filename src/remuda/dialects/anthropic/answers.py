"""Answers of engines, in OpenAI's shapes, as Anthropic says them: in named events, or whole.

Source: Anthropic's documents, "Streaming Messages". The blocks of an answer stand one after the other, each between its
start and its stop; thoughts come first, then text, then calls of tools, as engines say them.
"""

from typing import Any, Final

import msgspec

from remuda.core.faults import UpstreamFailed
from remuda.core.usage import NO_USAGE, Usage
from remuda.dialects.anthropic.asks import AnthropicAsk
from remuda.dialects.anthropic.events import EVENTS, JSON, PING, event
from remuda.dialects.anthropic.schemas import AnthropicAnswer, AnthropicErrorDetail, AnthropicTokens, AnthropicUsage
from remuda.wire.answers import UsageFields
from remuda.wire.sse import EventSplitter, data_of

HELD_BYTES: Final = 4 * 1024 * 1024
"""Bound on an event whose end has not come, and on the input of a tool, which is looked at once it is whole."""
STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
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
    """A delta, or a whole message."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_CallPiece] | None = None


class _Choice(msgspec.Struct):
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    """vLLM's: the stop sequence that ended it, a token's number, or nothing."""


class _Answer(msgspec.Struct):
    """A chunk of a stream, or a whole answer."""

    choices: list[_Choice] = []
    usage: UsageFields | None = None
    error: Any = None
    verbose: Any = msgspec.field(default=None, name="__verbose")
    """llama.cpp's, with the stop sequence that ended the answer."""


class _Call(msgspec.Struct):
    """The call of a tool that is being said."""

    index: int
    id: str
    pieces: list[str] = []
    size: int = 0


_decode_answer: Final = msgspec.json.Decoder(_Answer).decode
_decode_tokens: Final = msgspec.json.Decoder(AnthropicTokens).decode
_decode_input: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NOTHING: Final = _Said()


class MessageAnswer:
    """The next message of a conversation."""

    __slots__ = (
        "_ask",
        "_block",
        "_call",
        "_calls",
        "_finish",
        "_id",
        "_is_over",
        "_number",
        "_splitter",
        "_stop_word",
        "_usage",
        "content_type",
    )

    def __init__(self, ask: AnthropicAsk, message_id: str) -> None:
        self._ask = ask
        self._id = message_id
        self._splitter = EventSplitter()
        self._is_over = False
        """The last event has been said, well or not."""
        self._number: int | None = None
        """How many blocks have been begun; None: not even the message."""
        self._block = ""
        """The type of the block that is open."""
        self._call: _Call | None = None
        self._calls = 0
        self._finish = ""
        self._stop_word: str | None = None
        self._usage: Usage = NO_USAGE
        self.content_type = EVENTS if ask.is_streamed else JSON

    def feed(self, data: bytes) -> bytes:
        """The events that a piece of the stream comes to."""
        said: list[bytes] = []
        try:
            for each in self._splitter.feed(data):
                chunk = data_of(each)
                if self._is_over or not chunk:
                    continue
                said.append(self.end() if chunk == b"[DONE]" else self._chunk(_decode_answer(chunk)))
        except _ODD as error:
            raise self._failed("the model's server sent a malformed stream") from error
        if len(self._splitter.carry) > HELD_BYTES:
            raise self._failed("the model's server sent an event larger than this gateway holds")
        return b"".join(said)

    def end(self) -> bytes:
        """The events that close the answer."""
        if self._is_over:
            return b""
        closed = self._begun() + self._closed()
        self._is_over = True
        reason, sequence = self._stop()
        delta = {"stop_reason": reason, "stop_sequence": sequence}
        last = event("message_delta", delta=delta, usage=_usage(self._usage))
        return closed + last + event("message_stop")

    def whole(self, body: bytes) -> bytes:
        """The answer in one piece."""
        try:
            answer = _decode_answer(body)
        except _ODD as error:
            raise self._failed("the model's server sent a malformed answer") from error
        if not answer.choices:
            raise self._failed("the model's server sent an answer without an answer in it")
        choice = answer.choices[0]
        said = choice.message or _NOTHING
        self._note(answer, choice)
        blocks: list[Json] = []
        if (thinking := self._thinking(said)) is not None:
            blocks.append({"type": "thinking", "thinking": thinking, "signature": ""})
        if text := said.content or said.refusal:
            blocks.append({"type": "text", "text": text})
        for piece in said.tool_calls or ():
            function = piece.function or _Function()
            text = (function.arguments or "").strip() or "{}"
            if self._is_input(text):
                # The bytes as the model wrote them: numbers keep their digits.
                blocks.append(self._tool_use(piece) | {"input": msgspec.Raw(text.encode())})
        return msgspec.json.encode(self._message(blocks, *self._stop()))

    def _chunk(self, chunk: _Answer) -> bytes:
        """What one event of the stream comes to."""
        if chunk.error is not None:
            self._is_over = True
            return event("error", error=AnthropicErrorDetail("api_error", _words(chunk.error)))
        choice = chunk.choices[0] if chunk.choices else None
        self._note(chunk, choice)
        said = (choice.delta if choice is not None else None) or _NOTHING
        out = self._begun()
        if (thinking := self._thinking(said)) is not None:
            out += self._opened("thinking", {"thinking": "", "signature": ""})
            out += self._delta({"type": "thinking_delta", "thinking": thinking})
        if text := said.content or said.refusal:
            out += self._opened("text", {"text": ""})
            out += self._delta({"type": "text_delta", "text": text})
        for piece in said.tool_calls or ():
            out += self._called(piece)
        return out

    def _thinking(self, said: _Said) -> str | None:
        """Thoughts, where there are some and they were asked for."""
        return (said.reasoning_content or said.reasoning or None) if self._ask.shows_thinking else None

    def _called(self, piece: _CallPiece) -> bytes:
        function = piece.function or _Function()
        call, out = self._call, b""
        # Some servers number all calls 0: then another id, with a name, is another call.
        is_another = call is None or piece.index != call.index or (function.name and piece.id and piece.id != call.id)
        if call is None or is_another:
            head = self._tool_use(piece)
            out = self._closed() + self._opened("tool_use", head | {"input": {}})
            call = self._call = _Call(piece.index, piece.id or "")
        arguments = function.arguments
        if not arguments:
            return out
        call.size += len(arguments)
        if call.size > HELD_BYTES:
            raise self._failed("the model calls a tool with more than this gateway holds")
        call.pieces.append(arguments)
        return out + self._delta({"type": "input_json_delta", "partial_json": arguments})

    def _tool_use(self, piece: _CallPiece) -> Json:
        name = piece.function.name if piece.function is not None else None
        if not name:
            raise self._failed("the model's server sent the call of a tool without a name")
        self._calls += 1
        call_id = piece.id or f"toolu_{self._id.removeprefix('msg_')}_{self._calls}"
        return {"type": "tool_use", "id": call_id, "name": name}

    def _begun(self) -> bytes:
        if self._number is not None:
            return b""
        self._number = 0
        # How long the prompt was is known at the end, and said there.
        return event("message_start", message=self._message([], None, None)) + PING

    def _opened(self, kind: str, head: Json) -> bytes:
        """The start of a block of that kind, unless one is open."""
        if self._block == kind:
            return b""
        closed = self._closed()
        self._block = kind
        self._number = (self._number or 0) + 1
        return closed + event("content_block_start", index=self._number - 1, content_block={"type": kind, **head})

    def _delta(self, delta: Json) -> bytes:
        return event("content_block_delta", index=(self._number or 1) - 1, delta=delta)

    def _closed(self) -> bytes:
        """The end of the block that is open."""
        if not self._block:
            return b""
        if self._call is not None:
            self._is_input("".join(self._call.pieces).strip() or "{}")
            self._call = None
        self._block = ""
        return event("content_block_stop", index=(self._number or 1) - 1)

    def _is_input(self, text: str) -> bool:
        """Whether a tool can be called with `text`: half an object is none, where the answer was cut off for its
        length. Raises where the model wrote something else: no client could do anything with it."""
        try:
            _decode_input(text)
        except _ODD as error:
            if self._finish == "length":
                return False
            raise self._failed("the model called a tool with an input that is no JSON object") from error
        return True

    def _message(self, blocks: list[Json], reason: str | None, sequence: str | None) -> AnthropicAnswer:
        return AnthropicAnswer(
            id=self._id,
            model=self._ask.model,
            content=blocks,
            stop_reason=reason,
            stop_sequence=sequence,
            usage=_usage(self._usage),
        )

    def _note(self, answer: _Answer, choice: _Choice | None) -> None:
        if choice is not None and choice.finish_reason:
            self._finish = choice.finish_reason
            verbose = answer.verbose
            word = verbose.get("stopping_word") if isinstance(verbose, dict) else choice.stop_reason
            if isinstance(word, str) and word in self._ask.sequences:
                self._stop_word = word
        if answer.usage is not None:
            self._usage = answer.usage.usage()

    def _stop(self) -> tuple[str, str | None]:
        """Why the answer ended, and with which of the sequences it was asked to stop at, where the engine tells."""
        reason = STOP_REASONS.get(self._finish, "end_turn")
        if self._calls and reason == "end_turn":
            return "tool_use", None
        if self._stop_word is not None and self._finish == "stop":
            return "stop_sequence", self._stop_word
        return reason, None

    def _failed(self, message: str) -> UpstreamFailed:
        self._is_over = True
        return UpstreamFailed(message)


class CountAnswer:
    """How many tokens a prompt has. It always comes whole."""

    content_type: Final = JSON

    def feed(self, data: bytes) -> bytes:
        """Never asked: no count is streamed."""
        return b""

    def end(self) -> bytes:
        """Never asked, as `feed`."""
        return b""

    def whole(self, body: bytes) -> bytes:
        """The count alone."""
        try:
            return msgspec.json.encode(_decode_tokens(body))
        except _ODD as error:
            raise UpstreamFailed("the model's server sent a malformed count of tokens") from error


def _usage(usage: Usage) -> AnthropicUsage:
    return AnthropicUsage(
        input_tokens=max(0, usage.prompt_tokens - usage.cached_tokens),
        output_tokens=usage.completion_tokens,
        cache_read_input_tokens=usage.cached_tokens,
    )


def _words(error: Any) -> str:
    said = error.get("message") if isinstance(error, dict) else error
    failed = "the model's server failed in the middle of its answer"
    return f"{failed}: {said[:300]}" if isinstance(said, str) and said else failed
