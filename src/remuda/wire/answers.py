"""What the journal needs to know of an answer in the OpenAI-like form every engine here speaks.

Sources: OpenAI API reference (chat completion, completion, embedding and response objects and their stream events);
llama.cpp's server for `prompt_progress`.
"""

from typing import Any, Final

import msgspec

from remuda.core.usage import NO_USAGE, Usage


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class UsageFields(msgspec.Struct, gc=False):
    """The `usage` object: chat and completions say prompt/completion, responses say input/output."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None

    def usage(self) -> Usage:
        """The same in our words."""
        details = self.prompt_tokens_details or self.input_tokens_details
        return Usage(
            self.prompt_tokens or self.input_tokens or 0,
            self.completion_tokens or self.output_tokens or 0,
            (details.cached_tokens or 0) if details is not None else 0,
        )


class _FinishedChoice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Whole(msgspec.Struct):
    usage: UsageFields | None = None
    choices: list[_FinishedChoice] = []
    status: Any = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[msgspec.Raw] | None = None
    refusal: str | None = None
    function_call: Any = None
    audio: Any = None
    images: Any = None

    @property
    def has_more(self) -> bool:
        """Whether there is something of the rarer kinds."""
        return bool(self.reasoning or self.refusal or self.function_call or self.audio or self.images)


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Response(msgspec.Struct):
    usage: UsageFields | None = None
    status: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: UsageFields | None = None
    # Any, not Raw: msgspec takes `Raw | None` for None alone.
    prompt_progress: Any = None
    error: Any = None
    type: str = ""
    delta: Any = None
    response: _Response | None = None


class WholeFacts(msgspec.Struct, frozen=True, gc=False):
    """What a whole answer tells."""

    usage: Usage
    finish_reason: str
    is_json: bool = True


class ChunkFacts(msgspec.Struct, frozen=True, gc=False):
    """What one event of a stream tells."""

    has_content: bool = False
    text: str = ""
    finish_reason: str = ""
    finished: int = 0
    """How many choices end with it."""
    usage: Usage | None = None
    is_usage_only: bool = False
    """It carries usage and nothing else: the event that `stream_options.include_usage` asks for."""
    is_progress: bool = False
    """llama.cpp's prompt progress, which no client of ours asks for."""
    is_error: bool = False


UNKNOWN_CHUNK: Final = ChunkFacts(has_content=True)
"""An event of a shape we do not know is content for all we can tell."""

_decode_whole = msgspec.json.Decoder(_Whole).decode
_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_NO_DELTA = _Delta()


def facts_of_whole(body: bytes) -> WholeFacts:
    """Usage and finish reason of a whole answer; nothing where it holds none or is not such JSON."""
    try:
        whole = _decode_whole(body)
    except msgspec.ValidationError:
        return WholeFacts(NO_USAGE, "")
    except msgspec.MsgspecError:
        return WholeFacts(NO_USAGE, "", is_json=False)
    finish = ""
    for choice in whole.choices:
        if choice.finish_reason:
            finish = choice.finish_reason
            break
    else:
        if whole.status in ("completed", "incomplete"):
            finish = "stop" if whole.status == "completed" else "length"
    return WholeFacts(whole.usage.usage() if whole.usage is not None else NO_USAGE, finish)


def facts_of_chunk(data: bytes) -> ChunkFacts:
    """What one event's data tells."""
    try:
        chunk = _decode_chunk(data)
    except msgspec.MsgspecError:
        return UNKNOWN_CHUNK
    if chunk.type:
        return _facts_of_response_event(chunk)
    finish = ""
    finished = 0
    texts: list[str] = []
    has_content = False
    for choice in chunk.choices:
        delta = choice.delta or _NO_DELTA
        text = choice.text or delta.content
        if text:
            texts.append(text)
        has_content = has_content or bool(text or delta.reasoning_content or delta.tool_calls or delta.has_more)
        if choice.finish_reason:
            finish = choice.finish_reason
            finished += 1
    return ChunkFacts(
        has_content=has_content,
        text="".join(texts),
        finish_reason=finish,
        finished=finished,
        usage=chunk.usage.usage() if chunk.usage is not None else None,
        is_usage_only=chunk.usage is not None and not chunk.choices,
        is_progress=chunk.prompt_progress is not None,
        is_error=chunk.error is not None,
    )


def _facts_of_response_event(chunk: _Chunk) -> ChunkFacts:
    """An event of the responses API: its type says what it is."""
    kind = chunk.type
    response = chunk.response
    is_delta = kind.endswith(".delta")
    finish = {"response.completed": "stop", "response.incomplete": "length"}.get(kind, "")
    return ChunkFacts(
        has_content=is_delta,
        text=chunk.delta if is_delta and isinstance(chunk.delta, str) else "",
        finish_reason=finish,
        finished=1 if finish else 0,
        usage=response.usage.usage() if response is not None and response.usage is not None else None,
        is_progress=chunk.prompt_progress is not None,
        is_error=kind in ("error", "response.failed"),
    )
