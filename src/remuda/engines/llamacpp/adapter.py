"""llama.cpp's HTTP server: an ask in its words, and its errors as faults."""

import re
from collections.abc import Callable
from functools import partial

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.faults import (
    ContextOverflow,
    EngineDown,
    Fault,
    InvalidJson,
    InvalidRequest,
    NotOffered,
    RateLimited,
    Unavailable,
    UpstreamFailed,
    UpstreamRefused,
)
from remuda.core.ids import Ids
from remuda.engines.body import (
    INPUT_FIELDS,
    Fields,
    check_translated,
    fields_of,
    json_text,
    one_line,
    whole_number,
    with_fields,
    with_usage,
)
from remuda.engines.llamacpp import infill, responses
from remuda.engines.llamacpp.continuation import DEFAULT_MAX_BYTES, KeptStream
from remuda.engines.llamacpp.continued_ask import is_exact
from remuda.engines.llamacpp.reviewed import check_fields
from remuda.engines.llamacpp.tool_choice import CallsAlone, chosen_tool, is_required
from remuda.engines.protocol import Outgoing, StreamTranslator

_PATHS = {
    Operation.CHAT: "/v1/chat/completions",
    Operation.COMPLETION: "/v1/completions",
    Operation.RESPONSE: "/v1/responses",
    Operation.EMBEDDING: "/v1/embeddings",
    Operation.RERANK: "/v1/rerank",
    Operation.COUNT_TOKENS: "/v1/chat/completions/input_tokens",
}
_UNARY = frozenset({Operation.EMBEDDING, Operation.RERANK, Operation.COUNT_TOKENS})
_TAKES_STREAM_OPTIONS = frozenset({Operation.CHAT, Operation.COMPLETION})

_STOP_WORD = {"verbose": b"true", "response_fields": b'["stopping_word"]'}
"""What has the engine tell the stop sequence it met: as `__verbose` of the event that ends the choice, and no more."""

MAX_MESSAGE_CHARS = 500
"""Of an engine's error message; some hold the whole request."""


class LlamaCpp:
    """How llama.cpp's server is spoken to."""

    kind = "llama.cpp"
    reuses_after_stream = False
    """It announces keep-alive after a streamed answer and closes nevertheless."""
    slots_path = "/slots"
    counts_tokens = True

    def __init__(
        self,
        wall: Callable[[], float] = lambda: 0.0,
        *,
        ids: Ids = lambda: "",
        continuation_max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        """`ids`: names for answers that the engine gives none. `continuation_max_bytes`: how much text a stream may
        have sent to be continued elsewhere; 0: none is."""
        self._wall = wall
        self._ids = ids
        self._continuation_max_bytes = continuation_max_bytes

    def busy_slots(self, body: bytes) -> int:
        """How many slots are processing, by the list at `/slots`."""
        try:
            return sum(slot.is_processing for slot in msgspec.json.decode(body, type=list[_Slot]))
        except msgspec.DecodeError as error:
            raise ValueError("/slots holds no list of slots") from error

    def outgoing(self, ask: Ask, upstream_model: str) -> Outgoing:
        """The ask with what makes it cancellable: generation is always streamed, and progress is always written.

        The engine looks for a vanished client only when it writes. A unary answer it writes at the very end, and a
        streamed one only when the prompt is through, unless it also reports how far the prompt is.
        """
        if ask.native is not None:
            check_translated(ask.native)
        fields = fields_of(ask.body)
        check_fields(fields)
        if infill.is_infill(ask.operation, fields):
            return self._infill(ask, fields, upstream_model)
        wanted: dict[str, bytes] = {}
        if upstream_model != ask.model:
            wanted["model"] = json_text(upstream_model)
        wanted |= chosen_tool(fields)
        if ask.operation is Operation.RESPONSE:
            wanted |= responses.checked(fields)
        elif ask.operation is Operation.EMBEDDING:
            _check_dimensions(fields)
        is_streamed = ask.operation not in _UNARY
        asked_progress = fields.get("return_progress") == msgspec.Raw(b"true")
        if is_streamed:
            wanted["stream"] = b"true"
            wanted["return_progress"] = b"true"
            if ask.operation in _TAKES_STREAM_OPTIONS:
                wanted["stream_options"] = with_usage(fields.get("stream_options"))
            if ask.wants_stop_word:
                wanted |= _STOP_WORD
        shows_progress = asked_progress and ask.is_streamed
        translate: Callable[[], StreamTranslator] | None = None
        if ask.operation is Operation.RESPONSE:
            model, created_at = upstream_model or ask.model, int(self._wall())
            translate = responses.translation_for(fields, model, created_at, shows_progress=shows_progress)
        elif ask.operation is Operation.CHAT and is_required(fields, wanted):
            translate = CallsAlone
        path, body = _PATHS[ask.operation], with_fields(ask.body, fields, wanted)
        is_kept = bool(ask.is_streamed and self._continuation_max_bytes and ask.operation in _TAKES_STREAM_OPTIONS)
        if is_kept:
            translate = partial(
                KeptStream,
                ask.operation,
                path,
                body,
                is_exact=is_exact(ask, fields, wanted),
                max_bytes=self._continuation_max_bytes,
                inner=translate,
            )
        return Outgoing(
            path=path,
            body=body,
            is_streamed=is_streamed,
            may_emit_progress=is_streamed and not shows_progress,
            translate=translate,
            is_continuable=is_kept,
        )

    def _infill(self, ask: Ask, fields: Fields, upstream_model: str) -> Outgoing:
        """A completion of a text whose end is known."""
        model, body = upstream_model or ask.model, infill.infill_body(ask, fields, upstream_model)
        name, created_at = "cmpl-" + self._ids().removeprefix("req_"), int(self._wall())
        translate: Callable[[], StreamTranslator] = partial(infill.InfillAnswer, name, model, created_at)
        is_kept = bool(ask.is_streamed and self._continuation_max_bytes)
        if is_kept:
            # As long as none of it has come, it can be asked for once more; a middle is not gone on with.
            translate = partial(
                KeptStream,
                ask.operation,
                infill.PATH,
                body,
                is_exact=False,
                max_bytes=self._continuation_max_bytes,
                inner=translate,
            )
        shows_progress = ask.is_streamed and fields.get("return_progress") == msgspec.Raw(b"true")
        return Outgoing(infill.PATH, body, True, not shows_progress, translate, is_kept)

    def fault_of(self, status: int, body: bytes, operation: Operation) -> Fault:
        """The fault behind an error answer. File names and template source in the engine's messages are left out."""
        error = _error_in(body)
        message = _clean(error.message)
        if error.type == "exceed_context_size_error":
            return _in_words_of(operation, _overflow(error.n_prompt_tokens, error.n_ctx))
        if status in (400, 500) and (client_fault := _client_fault(error.message, message)) is not None:
            return _in_words_of(operation, client_fault)
        if status == 400:
            return InvalidRequest(message or None)
        if error.message.startswith(infill.UNKNOWN):
            return infill.no_infill()
        if status in (404, 501):
            return NotOffered(_NOT_STARTED_FOR.get(operation, "This model's engine does not offer that."))
        if status == 503:
            return EngineDown("The engine is still loading this model." if "oading" in error.message else None)
        if status == 429:
            # Said by a proxy before the engine.
            return RateLimited(message or "the model's server has had too many requests", retry_after_s=1)
        if status == 529:
            # As well, in Anthropic's API: its word for too much to do at the moment.
            return Unavailable(message or None, retry_after_s=1)
        if status in (401, 403) or status >= 500:
            # It was our own key for the engine that was refused, which is no matter of the client's.
            return UpstreamFailed()
        return UpstreamRefused(message or None, status=status, type_=error.type or None)


def _check_dimensions(fields: Fields) -> None:
    """The engine takes any number and gives vectors of the model's own size, as if nothing had been asked."""
    value = bytes(fields.get("dimensions", b"null"))
    if value == b"null":
        return
    raise InvalidRequest(
        "This model's engine gives vectors of the model's own size only: leave 'dimensions' out.",
        parameter="dimensions",
        received=whole_number(value),
        expected="null",
    )


_NOT_STARTED_FOR = {
    Operation.EMBEDDING: "This model's engine was not started for embeddings.",
    Operation.RERANK: "This model's engine was not started for reranking.",
    Operation.COUNT_TOKENS: "This model's engine is of a version that does not count tokens beforehand.",
}


class _Slot(msgspec.Struct):
    is_processing: bool = False


class _Error(msgspec.Struct):
    message: str = ""
    type: str = ""
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class _Answer(msgspec.Struct):
    error: _Error


def _error_in(body: bytes) -> _Error:
    try:
        return msgspec.json.decode(body, type=_Answer).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Error()


_PATH = re.compile(r"(?<![\w:/#<.])/(?:[^\s/'\"]+/)+[^\s'\",]*")
_JSON_EXCEPTION = re.compile(r"\[json\.exception\.[a-z_]+\.\d+\] ?")
_FIELD = re.compile(r"(?:Field |Expected )?['\"]([A-Za-z_.]+)['\"][: ]")
_OUT_OF_RANGE = re.compile(r"Field '(\w+)': Value must be between (-?\d+) <= value <= (-?\d+), but got (-?\d+)$")
_WRONG_TYPE = re.compile(r"type must be (\w+), but is \w+")
_TOO_LARGE = re.compile(r"input \((\d+) tokens\) is too large to process.*current batch size: (\d+)", re.DOTALL)
_TOO_LARGE_PLAIN = re.compile(r"input is too large to process|too large.*physical batch size")

_CLIENT_FAULTS: tuple[tuple[re.Pattern[str], str | None], ...] = (
    (re.compile(r"Failed to parse messages: "), "messages"),
    (re.compile(r"Failed to parse tool call arguments"), "messages"),
    (re.compile(r"Failed to parse tools: "), "tools"),
    (re.compile(r"Cannot use both json_schema and grammar"), "grammar"),
    (re.compile(r"(?:image|audio|video) input is not supported"), "messages"),
    (re.compile(r"Unknown reasoning format: "), "reasoning_format"),
)
"""Messages of status 500 that the client caused, and the parameter each is about."""


def _client_fault(raw: str, message: str) -> Fault | None:
    if "parse_error" in raw and raw.startswith("[json.exception"):
        return InvalidJson(f"The request body is not valid JSON: {message}")
    if (at := raw.find("Jinja Exception: ")) >= 0:
        reason = _clean(raw[at + len("Jinja Exception: ") :])
        return InvalidRequest(f"The model's chat template refuses these messages: {reason}", parameter="messages")
    if (at := raw.find("JSON schema error")) >= 0:
        return InvalidRequest(_clean(raw[at:]))  # of a response format or of a tool: it does not say which
    if "parser for this template" in raw:
        # What follows quotes the template's source.
        return InvalidRequest("The model's chat template cannot be applied to these messages.", parameter="messages")
    if found := _TOO_LARGE.search(raw):
        return _overflow(int(found[1]), int(found[2]))
    if _TOO_LARGE_PLAIN.search(raw):
        return ContextOverflow(expected="a shorter input")
    for pattern, parameter in _CLIENT_FAULTS:
        if pattern.match(raw):
            return InvalidRequest(message.partition(" - hint:")[0].partition("; tools =")[0], parameter=parameter)
    if found := _OUT_OF_RANGE.match(raw):
        return _out_of_range(found[1], int(found[2]), int(found[3]), int(found[4]))
    if found := _FIELD.match(raw):
        wrong = _WRONG_TYPE.search(raw)
        return InvalidRequest(message, parameter=found[1], expected=wrong[1] if wrong else None)
    return None


_OWN_WORDS = {Operation.RESPONSE: ("messages", "input"), Operation.EMBEDDING: ("prompt", "input")}
"""What the engine calls a field of another operation, for which it shares the code, and what it is called there."""


def _in_words_of(operation: Operation, fault: Fault) -> Fault:
    if isinstance(fault, ContextOverflow):
        fault.parameter = INPUT_FIELDS[operation]
        return fault
    theirs, ours = _OWN_WORDS.get(operation, ("", ""))
    if theirs and fault.parameter == theirs:
        fault.parameter = ours
        fault.message = fault.message.replace(f'"{theirs}"', f'"{ours}"')
    return fault


def _out_of_range(parameter: str, low: int, high: int, received: int) -> InvalidRequest:
    message = f"{parameter} is a whole number from {low} to {high} here, not {received}."
    if parameter == "n":
        message += " This model's engine makes no more answers to one request than it has slots."
    return InvalidRequest(message, parameter=parameter, received=received, expected=f"{low} to {high}")


def _overflow(prompt_tokens: int, context: int) -> ContextOverflow:
    return ContextOverflow(
        f"The input has {prompt_tokens} tokens; the context of this model takes {context}.",
        received=prompt_tokens,
        expected=f"at most {context} tokens",
    )


def _clean(message: str) -> str:
    """One line of bounded length that names no file of this machine."""
    return one_line(_PATH.sub("…", _JSON_EXCEPTION.sub("", message)), MAX_MESSAGE_CHARS)
