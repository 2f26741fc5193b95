"""Filling in the middle of a text: a text completion with a `suffix`, in llama.cpp's words, and its answer in OpenAI's.

The engine's `/v1/completions` refuses a `suffix`. Its `/infill` puts both ends of the text between the tokens that the
model has for that, refuses where it has none, and answers in words of the engine's own. Source: llama.cpp's
`tools/server/README.md`, "POST /infill".
"""

from typing import Any, Final

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.faults import InvalidRequest
from remuda.engines.body import Fields
from remuda.wire.sse import DONE, EventSplitter, data_of, event_of

PATH: Final = "/infill"
UNKNOWN: Final = "Infill is not supported by this model"
"""How the engine's refusal begins where the model has no tokens for it."""
_NOTHING: Final = (b"null", b"false", b'""', b"0", b"[]", b"{}")
_REFUSED: Final = ("echo", "logprobs", "response_format")
_REPLACED: Final = frozenset(
    {"prompt", "suffix", "stop", "stream", "stream_options", "n", "best_of", "max_tokens", "user", *_REFUSED}
)
"""Fields with other words there, or without any. All others, such as sampling, go along."""
_ODD: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def is_infill(operation: Operation, fields: Fields) -> bool:
    """Whether a request asks for the middle of a text."""
    return operation is Operation.COMPLETION and bytes(fields.get("suffix", b"null")) not in _NOTHING


def infill_body(ask: Ask, fields: Fields, upstream_model: str) -> bytes:
    """What the engine is asked; always streamed and with progress, as `LlamaCpp.outgoing` has it. Raises
    InvalidRequest for what it cannot do there."""
    if ask.choices != 1:
        raise InvalidRequest("'n' is 1 where there is a 'suffix'", parameter="n", received=ask.choices, expected="1")
    for name in _REFUSED:
        if bytes(fields.get(name, b"null")) not in _NOTHING:
            raise InvalidRequest(f"'{name}' cannot go with 'suffix' here: leave one of them out", parameter=name)
    kept: dict[str, Any] = {name: value for name, value in fields.items() if name not in _REPLACED}
    limit = fields.get("max_tokens")
    if limit is not None and "n_predict" not in fields:
        kept["n_predict"] = limit
    stop = _value(fields, "stop", str | list[str] | None)
    if stop:
        kept["stop"] = [stop] if isinstance(stop, str) else stop
    kept |= {
        "model": upstream_model or ask.model,
        "input_prefix": _value(fields, "prompt", str),
        "input_suffix": _value(fields, "suffix", str),
        "stream": True,
        "return_progress": True,
    }
    return msgspec.json.encode(kept)


def _value(fields: Fields, name: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(fields.get(name, b"null"), type=kind)
    except _ODD:
        expected = "a text, or a list of texts" if name == "stop" else "a text"
        raise InvalidRequest(
            f"'{name}' is {expected} where there is a 'suffix'", parameter=name, expected=expected
        ) from None


def no_infill() -> InvalidRequest:
    """What a client is told of a model that has no tokens for it."""
    return InvalidRequest(
        "This model cannot fill in the middle of a text: it was not made for it. Leave 'suffix' out.",
        parameter="suffix",
    )


class _Timings(msgspec.Struct):
    cache_n: int = 0


class _Event(msgspec.Struct):
    content: str = ""
    stop: bool = False
    stop_type: str = ""
    tokens_evaluated: int = 0
    tokens_predicted: int = 0
    timings: _Timings | None = None
    prompt_progress: Any = None
    error: Any = None


_decode: Final = msgspec.json.Decoder(_Event).decode


class InfillAnswer:
    """The engine's stream as that of a text completion; a `StreamTranslator`."""

    __slots__ = ("_is_over", "_named", "_splitter")

    def __init__(self, answer_id: str, model: str, created: int) -> None:
        self._named = {"id": answer_id, "object": "text_completion", "created": created, "model": model}
        self._splitter = EventSplitter()
        self._is_over = False

    def feed(self, data: bytes) -> bytes:
        """The events that `data` completes."""
        return b"".join([self._event(event) for event in self._splitter.feed(data)])

    def end(self) -> bytes:
        """What is left when the stream is over: an event without its blank line, as it is."""
        return self._splitter.rest()

    def _event(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data or self._is_over:
            return b"" if self._is_over else event
        try:
            said = _decode(data)
        except _ODD:
            return event
        if said.error is not None:
            return event
        if said.prompt_progress is not None:
            return self._chunk([self._choice("", None)], prompt_progress=said.prompt_progress)
        if not said.stop:
            return self._chunk([self._choice(said.content, None)])
        self._is_over = True
        reason = "length" if said.stop_type == "limit" else "stop"
        usage = {
            "prompt_tokens": said.tokens_evaluated,
            "completion_tokens": said.tokens_predicted,
            "total_tokens": said.tokens_evaluated + said.tokens_predicted,
            "prompt_tokens_details": {"cached_tokens": 0 if said.timings is None else said.timings.cache_n},
        }
        return self._chunk([self._choice(said.content, reason)]) + self._chunk([], usage=usage) + DONE

    def _choice(self, text: str, reason: str | None) -> dict[str, Any]:
        return {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return event_of(msgspec.json.encode({**self._named, "choices": choices, **more}))
