"""Answers of engines, in OpenAI's shapes, as Ollama says them: line by line, or whole."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from remuda.core.clock import Clock
from remuda.core.faults import Fault, UpstreamFailed
from remuda.core.usage import Usage
from remuda.dialects.ollama.asks import Json, OllamaAsk, Shape
from remuda.dialects.ollama.context import Memory
from remuda.wire.answers import UsageFields
from remuda.wire.ndjson import line_of
from remuda.wire.sse import EventSplitter, data_of

HELD_BYTES: Final = 4 * 1024 * 1024
"""Bound on an event whose end has not come, and on tool calls, which Ollama's clients get whole."""
LINES: Final = b"application/x-ndjson"
JSON: Final = b"application/json; charset=utf-8"
_ODD: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


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
    tool_calls: list[_CallPiece] | None = None


class _Logprobs(msgspec.Struct):
    # Any, not Raw: msgspec takes `Raw | None` for None alone.
    content: Any = None


class _Choice(msgspec.Struct):
    delta: _Said | None = None
    message: _Said | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Timings(msgspec.Struct):
    """llama.cpp's own account, in milliseconds."""

    prompt_ms: float | None = None
    predicted_ms: float | None = None


class _Answer(msgspec.Struct):
    """A chunk of a stream, or a whole answer."""

    choices: list[_Choice] = []
    usage: UsageFields | None = None
    timings: _Timings | None = None
    error: Any = None


class _Vector(msgspec.Struct):
    embedding: msgspec.Raw
    index: int = 0


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    usage: UsageFields | None = None


_decode_answer: Final = msgspec.json.Decoder(_Answer).decode
_decode_vectors: Final = msgspec.json.Decoder(_Vectors).decode
_decode_arguments: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def timestamp(wall: float) -> str:
    """Unix time as RFC 3339 has it."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class _Call:
    """A tool call in the making."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class GenerationAnswer:
    """The answer to a chat or to a prompt."""

    __slots__ = (
        "_ask",
        "_began",
        "_calls",
        "_clock",
        "_finish",
        "_first_at",
        "_held",
        "_is_over",
        "_memory",
        "_splitter",
        "_timings",
        "_usage",
        "content_type",
    )

    def __init__(self, ask: OllamaAsk, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._began = clock.monotonic()
        self._first_at: float | None = None
        self._splitter = EventSplitter()
        self._calls: dict[int, _Call] = {}
        self._held = 0
        self._finish = ""
        self._usage: Usage | None = None
        self._timings: _Timings | None = None
        self._is_over = False
        """The last line has been said, well or not."""
        self._memory = None if ask.said is None else Memory(ask.said)
        self.content_type = LINES if ask.has_lines else JSON

    def feed(self, data: bytes) -> bytes:
        """The lines that a piece of the stream comes to."""
        lines: list[bytes] = []
        try:
            for event in self._splitter.feed(data):
                chunk = data_of(event)
                if self._is_over or not chunk:
                    continue
                lines.append(self.end() if chunk == b"[DONE]" else self._chunk(_decode_answer(chunk)))
        except _ODD as error:
            raise self._failed("the model's server sent a malformed stream") from error
        if len(self._splitter.carry) > HELD_BYTES:
            raise self._failed("the model's server sent an event larger than this gateway holds")
        return b"".join(lines)

    def end(self) -> bytes:
        """The calls that are still held, and the line that closes the answer."""
        if self._is_over:
            return b""
        calls = self._held_calls()
        last = line_of(self._said("") | self._closing())
        self._is_over = True
        return calls + last

    def whole(self, body: bytes) -> bytes:
        """The answer in one piece."""
        if self._ask.is_load:
            reason = "unload" if self._ask.is_unload else "load"
            return self._finished(self._said("") | {"done_reason": reason, "done": True})
        try:
            answer = _decode_answer(body)
        except _ODD as error:
            raise self._failed("the model's server sent a malformed answer") from error
        if not answer.choices:
            raise self._failed("the model's server sent an answer without an answer in it")
        choice = answer.choices[0]
        said = choice.message or _Said(content=choice.text)
        self._note(answer, choice)
        for number, call in enumerate(said.tool_calls or ()):
            call.index = number  # whole calls stand in a list, and have no index
            self._take_call(call)
        made = self._said(said.content or "", said.reasoning_content or said.reasoning, self._finished_calls())
        return self._finished(made | _logprobs(choice) | self._closing())

    def _finished(self, value: Json) -> bytes:
        return line_of(value) if self._ask.has_lines else msgspec.json.encode(value)

    def _failed(self, message: str) -> UpstreamFailed:
        self._is_over = True
        return UpstreamFailed(message)

    def _chunk(self, chunk: _Answer) -> bytes:
        """What one event of the stream comes to."""
        if chunk.error is not None:
            self._is_over = True
            return line_of({"error": _message(chunk.error)})
        if not chunk.choices:
            self._note(chunk, None)
            return b""
        choice = chunk.choices[0]
        self._note(chunk, choice)
        said = choice.delta or _Said(content=choice.text)
        for call in said.tool_calls or ():
            self._take_call(call)
        thinking = said.reasoning_content or said.reasoning
        line = b""
        if said.content or (thinking and not self._ask.hides_thinking):
            if self._first_at is None:
                self._first_at = self._clock.monotonic()
            made = self._said(said.content or "", thinking)
            line = line_of(made | _logprobs(choice) | {"done": False})
        return line + self._held_calls() if choice.finish_reason else line

    def _note(self, answer: _Answer, choice: _Choice | None) -> None:
        if choice is not None and choice.finish_reason:
            self._finish = choice.finish_reason
        if answer.usage is not None:
            self._usage = answer.usage.usage()
        if answer.timings is not None:
            self._timings = answer.timings

    def _take_call(self, piece: _CallPiece) -> None:
        call = self._calls.setdefault(piece.index, _Call())
        function = piece.function or _Function()
        call.id = piece.id or call.id
        call.name += function.name or ""
        call.arguments.append(function.arguments or "")
        self._held += 100 + len(function.name or "") + len(function.arguments or "")
        if self._held > HELD_BYTES:
            raise self._failed("the model calls tools with more than this gateway holds")

    def _held_calls(self) -> bytes:
        """The line with the calls made so far; nothing where there are none."""
        calls = self._finished_calls()
        if not calls:
            return b""
        return line_of(self._said("", calls=calls) | {"done": False})

    def _finished_calls(self) -> list[Json]:
        made: list[Json] = []
        for index in sorted(self._calls):
            call = self._calls[index]
            text = "".join(call.arguments).strip() or "{}"
            try:
                _decode_arguments(text)
            except _ODD as error:
                if self._finish == "length":
                    continue  # cut off in the middle: half a call is none
                raise self._failed("the model called a tool with arguments that are no JSON object") from error
            # The bytes as the model wrote them: numbers keep their digits.
            function = {"index": index, "name": call.name, "arguments": msgspec.Raw(text.encode())}
            made.append(({"id": call.id} if call.id else {}) | {"function": function})
        self._calls = {}
        return made

    def _said(self, content: str, thinking: str | None = None, calls: list[Json] | None = None) -> Json:
        """A piece of the answer in the shape of the route."""
        if self._memory is not None:
            self._memory.add(content)
        head: Json = {"model": self._ask.model, "created_at": timestamp(self._clock.wall())}
        thought = {"thinking": thinking} if thinking and not self._ask.hides_thinking else {}
        if self._ask.shape is Shape.GENERATE:
            return head | {"response": content} | thought
        message: Json = {"role": "assistant", "content": content} | thought
        if calls:
            message["tool_calls"] = calls
        return head | {"message": message}

    def _closing(self) -> Json:
        """What the last line tells: why the answer ended, how long it took, and of how many tokens."""
        made: Json = {"done": True, "done_reason": "length" if self._finish == "length" else "stop"}
        if self._memory is not None and (context := self._memory.context()) is not None:
            made["context"] = context
        now = self._clock.monotonic()
        total = now - self._ask.started
        timings, first = self._timings, self._first_at
        if timings is not None and timings.prompt_ms is not None and timings.predicted_ms is not None:
            prompt, generation = timings.prompt_ms / 1e3, timings.predicted_ms / 1e3
            load = max(0.0, total - prompt - generation)
        elif first is not None:
            load, prompt, generation = self._began - self._ask.started, first - self._began, now - first
        else:
            load, prompt, generation = 0.0, 0.0, total  # it came whole: nobody knows
        usage = self._usage
        made["total_duration"] = _ns(total)
        made["load_duration"] = _ns(load)
        if usage is not None:
            made["prompt_eval_count"] = usage.prompt_tokens
        made["prompt_eval_duration"] = _ns(prompt)
        if usage is not None:
            made["eval_count"] = usage.completion_tokens
        made["eval_duration"] = _ns(generation)
        return made


class VectorAnswer:
    """The answer to texts that were to be embedded. It always comes whole."""

    __slots__ = ("_ask", "_clock", "content_type")

    def __init__(self, ask: OllamaAsk, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self.content_type = JSON

    def feed(self, data: bytes) -> bytes:
        """Never asked: no ask for vectors is streamed."""
        return b""

    def end(self) -> bytes:
        """Never asked, as `feed`."""
        return b""

    def whole(self, body: bytes) -> bytes:
        """The vectors, each number as the engine wrote it."""
        try:
            answer = _decode_vectors(body)
        except _ODD as error:
            raise UpstreamFailed("the model's server sent a malformed list of vectors") from error
        if not answer.data:
            raise UpstreamFailed("the model's server sent a list of vectors without a vector in it")
        if self._ask.is_load:
            return msgspec.json.encode(self._nothing())
        vectors = [vector.embedding for vector in sorted(answer.data, key=lambda vector: vector.index)]
        if self._ask.shape is Shape.EMBEDDINGS:
            return msgspec.json.encode({"embeddings": vectors} if self._ask.is_list else {"embedding": vectors[0]})
        made: Json = {"model": self._ask.model, "embeddings": vectors}
        made["total_duration"] = _ns(self._clock.monotonic() - self._ask.started)
        made["load_duration"] = 0
        if answer.usage is not None:
            made["prompt_eval_count"] = answer.usage.usage().prompt_tokens
        return msgspec.json.encode(made)

    def _nothing(self) -> Json:
        """What there is to say where no text was given."""
        if self._ask.shape is Shape.EMBED:
            return {"model": self._ask.model, "embeddings": []}
        return {"embeddings": []} if self._ask.is_list else {"embedding": []}


ANSWERS: Final[dict[Shape, Callable[[OllamaAsk, Clock], GenerationAnswer | VectorAnswer]]] = {
    Shape.CHAT: GenerationAnswer,
    Shape.GENERATE: GenerationAnswer,
    Shape.EMBED: VectorAnswer,
    Shape.EMBEDDINGS: VectorAnswer,
}


def _ns(seconds: float) -> int:
    return max(0, int(seconds * 1e9))


def _logprobs(choice: _Choice) -> Json:
    """OpenAI's list is Ollama's, too."""
    content = choice.logprobs.content if choice.logprobs is not None else None
    return {"logprobs": content} if content else {}


def _message(error: Any) -> str:
    said = error.get("message") if isinstance(error, dict) else error
    words = str(said)[:300] if said else (Fault.__doc__ or "")
    return f"the model's server failed in the middle of its answer: {words}"
