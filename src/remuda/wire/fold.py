"""Folds a stream of OpenAI-like events into the one answer a client that does not stream expects.

Engines that stop a request only while they stream (llama.cpp) are always asked to stream; a client that wants the
whole answer gets what the engine itself would have sent, put together again, with the usage of all choices added up.
"""

from typing import Any, Protocol

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.faults import Fault, UpstreamFailed
from remuda.core.usage import NO_USAGE, Usage
from remuda.wire.answers import UsageFields
from remuda.wire.sse import EventSplitter, data_of

Json = dict[str, Any]


class Fold(Protocol):
    """A stream becoming one answer."""

    has_content: bool
    """Something of the answer itself has come."""
    is_complete: bool
    """The stream has said that it is over."""

    def feed(self, data: bytes) -> None:
        """Take in a piece of the stream; raises a Fault for an error event, DecodeError for what is not JSON."""
        ...

    def so_far(self) -> Usage:
        """What has been used until now: as the engine reported it, else the number of pieces, marked as an estimate."""
        ...

    def result(self) -> tuple[bytes, Usage, str]:
        """The answer's JSON, its usage and its (first choice's) finish reason."""
        ...


def fold_for(ask: Ask) -> Fold:
    """The fold for what `ask` asks."""
    if ask.operation is Operation.RESPONSE:
        return ResponseFold()
    return ChoicesFold(ask)


class UsageSum:
    """Adds up usage that an engine reports once per choice. The prompt is shared by the `n` choices of one prompt."""

    __slots__ = ("_are_alone", "_cached", "_choices", "_completion", "_prompt", "reports")

    def __init__(self, choices: int) -> None:
        self._choices = max(1, choices)
        self._prompt = self._completion = self._cached = 0
        self.reports = 0
        self._are_alone = False

    def add(self, usage: Usage, *, is_alone: bool = False) -> None:
        """Take in one report. One in an event of its own (`is_alone`) sums up those that came with the finishes."""
        if is_alone and not self._are_alone:
            self._are_alone = True
            self._prompt = self._completion = self._cached = self.reports = 0
        self.reports += 1
        self._prompt += usage.prompt_tokens
        self._completion += usage.completion_tokens
        self._cached += usage.cached_tokens

    @property
    def total(self) -> Usage:
        """Of all choices together."""
        if not self.reports:
            return NO_USAGE
        # Fewer reports than choices: this engine reports once for all, or has not reported on all yet.
        times = min(self._choices, self.reports)
        return Usage(self._prompt // times, self._completion, self._cached // times)


def usage_json(usage: Usage) -> Json:
    """A `usage` object as chat and completions have it."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


class _Events:
    """What both folds share: events in, JSON objects out, errors raised."""

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self.has_content = False
        self.is_complete = False
        self._pieces = 0

    def so_far(self) -> Usage:
        """See `Fold`."""
        return Usage(completion_tokens=self._pieces, is_estimated=True) if self._pieces else NO_USAGE

    def feed(self, data: bytes) -> None:
        """Take in a piece of the stream."""
        for event in self._splitter.feed(data):
            body = data_of(event)
            if body == b"[DONE]":
                self.is_complete = True
            elif body and body != b"null":
                chunk = msgspec.json.decode(body)
                if isinstance(chunk, dict):
                    self._check(chunk)
                    self._take(chunk)

    def _check(self, chunk: Json) -> None:
        error = chunk.get("error")
        if error is not None:
            message = error.get("message") if isinstance(error, dict) else error
            raise UpstreamFailed(f"the model's server failed in the middle of its answer: {str(message)[:300]}")

    def _take(self, chunk: Json) -> None:
        raise NotImplementedError


class ChoicesFold(_Events):
    """Chat and text completions: choices that grow piece by piece."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._is_chat = ask.operation is Operation.CHAT
        self._head: Json = {}
        self._choices: dict[int, _Choice] = {}
        self._usage = UsageSum(ask.choices)
        self._timings: Any = None
        self._verbose: Any = None

    def _take(self, chunk: Json) -> None:
        if not self._head:
            self._head = {key: chunk[key] for key in ("id", "created", "model", "system_fingerprint") if key in chunk}
        if isinstance(chunk.get("usage"), dict):
            usage = msgspec.convert(chunk["usage"], UsageFields).usage()
            self._usage.add(usage, is_alone=not chunk.get("choices"))
            self._timings = chunk.get("timings")
        if "__verbose" in chunk:  # llama.cpp's; of those that were asked for it, the last one tells why it stopped
            self._verbose = chunk["__verbose"]
        for part in chunk.get("choices", ()):
            index = part.get("index", 0)
            choice = self._choices.setdefault(index, _Choice(index))
            choice.take(part)
            if choice.has_content:
                self.has_content = True
                self._pieces += not part.get("finish_reason")

    def so_far(self) -> Usage:
        """See `Fold`."""
        reported = self._usage.total
        return reported if reported.completion_tokens else super().so_far()

    def result(self) -> tuple[bytes, Usage, str]:
        """The answer as one object."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        usage = self._usage.total
        answer: Json = {
            **self._head,
            "object": "chat.completion" if self._is_chat else "text_completion",
            "choices": [choice.chat() if self._is_chat else choice.completion() for choice in choices],
            "usage": usage_json(usage),
        }
        if self._timings is not None:
            answer["timings"] = self._timings
        if self._verbose is not None:
            answer["__verbose"] = self._verbose
        finish = next((choice.finish_reason for choice in choices if choice.finish_reason), None)
        return msgspec.json.encode(answer), usage, finish or ""


class _Choice:
    """One choice in the making."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, Json] = {}
        self._logprobs: list[Any] = []
        self._role = "assistant"
        self.finish_reason: str | None = None

    @property
    def has_content(self) -> bool:
        return bool(self._text or self._reasoning or self._calls)

    def take(self, part: Json) -> None:
        """One piece of this choice."""
        delta = part.get("delta") or {}
        text = part.get("text") or delta.get("content")
        if text:
            self._text.append(text)
        if delta.get("reasoning_content"):
            self._reasoning.append(delta["reasoning_content"])
        for call in delta.get("tool_calls") or ():
            self._take_call(call)
        self._role = delta.get("role") or self._role
        logprobs = part.get("logprobs")
        if isinstance(logprobs, dict):
            self._logprobs.extend(logprobs.get("content") or ())
        self.finish_reason = part.get("finish_reason") or self.finish_reason

    def _take_call(self, piece: Json) -> None:
        call = self._calls.setdefault(
            piece.get("index", 0), {"type": "function", "function": {"name": "", "arguments": ""}}
        )
        if piece.get("id"):
            call["id"] = piece["id"]
        function = piece.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""

    def chat(self) -> Json:
        """As an element of a chat completion's `choices`."""
        text = "".join(self._text)
        message: Json = {"role": self._role, "content": text if text or not self._calls else None}
        if self._reasoning:
            message["reasoning_content"] = "".join(self._reasoning)
        if self._calls:
            message["tool_calls"] = [self._calls[index] for index in sorted(self._calls)]
        return {
            "index": self._index,
            "message": message,
            "logprobs": {"content": self._logprobs} if self._logprobs else None,
            "finish_reason": self.finish_reason,
        }

    def completion(self) -> Json:
        """As an element of a text completion's `choices`."""
        return {
            "index": self._index,
            "text": "".join(self._text),
            "logprobs": {"content": self._logprobs} if self._logprobs else None,
            "finish_reason": self.finish_reason,
        }


class ResponseFold(_Events):
    """The responses API: its last event carries the whole answer."""

    def __init__(self) -> None:
        super().__init__()
        self._response: Json | None = None
        self._finish = ""

    def _take(self, chunk: Json) -> None:
        kind = chunk.get("type", "")
        if kind.endswith(".delta"):
            self.has_content = True
            self._pieces += 1
        if kind in ("response.completed", "response.incomplete"):
            self.is_complete = self.has_content = True
            self._response = chunk.get("response")
            self._finish = "stop" if kind == "response.completed" else "length"
        elif kind == "response.failed":
            error = (chunk.get("response") or {}).get("error") or {}
            raise UpstreamFailed(f"the model's server failed in the middle of its answer: {str(error)[:300]}")

    def result(self) -> tuple[bytes, Usage, str]:
        """The answer as one object."""
        if self._response is None:
            raise _incomplete()
        usage = NO_USAGE
        if isinstance(self._response.get("usage"), dict):
            usage = msgspec.convert(self._response["usage"], UsageFields).usage()
        return msgspec.json.encode(self._response), usage, self._finish


def _incomplete() -> Fault:
    return UpstreamFailed("the model's server ended its stream without the answer")
