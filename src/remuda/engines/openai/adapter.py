"""Any server with an OpenAI-compatible API: vLLM, SGLang, LM Studio, somebody else's llama-server, another Remuda."""

from collections.abc import Collection
from typing import Any, Final

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.faults import (
    ContextOverflow,
    Fault,
    LoopDetected,
    NotOffered,
    RateLimited,
    Unavailable,
    UpstreamFailed,
    UpstreamRefused,
)
from remuda.engines.body import (
    INPUT_FIELDS,
    check_translated,
    fields_of,
    in_its_own_words,
    json_text,
    one_line,
    with_fields,
    with_first,
    with_usage,
)
from remuda.engines.protocol import Outgoing

MAX_MESSAGE_CHARS: Final = 500
MAX_WORD_CHARS: Final = 100
BUSY: Final = frozenset({503, 529})
"""HTTP statuses of servers that have too much to do at the moment: the usual one, and that of Anthropic's API."""

PATHS: Final = {
    Operation.CHAT: "/chat/completions",
    Operation.COMPLETION: "/completions",
    Operation.RESPONSE: "/responses",
    Operation.EMBEDDING: "/embeddings",
    Operation.RERANK: "/rerank",
}
"""Below the server's base address, which ends in `/v1` as such servers' clients write it."""
NO_COUNT: Final = (
    "This model's server has no way to count tokens beforehand: the usage of each answer tells how many there were."
)
_TAKES_STREAM_OPTIONS: Final = frozenset({Operation.CHAT, Operation.COMPLETION})


class OpenAILike:
    """How OpenAI-compatible servers are spoken to."""

    kind: Final = "openai"
    reuses_after_stream: Final = True
    slots_path: Final = None

    def __init__(self, dialects: Collection[str] = (), *, counts_tokens: bool = False) -> None:
        """`dialects`: others that the server speaks, below the same base address. `counts_tokens`: in one of them it
        can be asked for the tokens of a prompt."""
        self._dialects = frozenset(dialects)
        self.counts_tokens: Final = counts_tokens

    def busy_slots(self, body: bytes) -> int:
        """Never asked: such servers do not tell their slots."""
        raise ValueError("OpenAI-compatible servers do not tell their slots")

    def outgoing(self, ask: Ask, upstream_model: str) -> Outgoing:
        """The ask as it came, with the server's own model name, and with usage asked for in every stream; one of
        another dialect that the server speaks as its client wrote it. Raises NotOffered for what such servers have no
        API for."""
        native = ask.native
        is_taken = self.counts_tokens or ask.operation is not Operation.COUNT_TOKENS
        if native is not None and native.dialect in self._dialects and is_taken:
            body = in_its_own_words(native, ask.model, upstream_model)
            return Outgoing(native.path.removeprefix("/v1"), body, native.is_streamed, is_native=True)
        path = PATHS.get(ask.operation)
        if path is None:
            raise NotOffered(NO_COUNT)
        return Outgoing(path=path, body=body_for(ask, upstream_model), is_streamed=ask.is_streamed)

    def fault_of(self, status: int, body: bytes, operation: Operation) -> Fault:
        """The fault behind an error answer, in the server's own words where they are meant for the client."""
        message, kind, code, parameter = error_in(body)
        if status in (401, 403):
            # Our own credential for that server was refused: no matter of the client's, and nothing to show it.
            return UpstreamFailed("the model's server refused the gateway's own credential")
        if status == 429:
            return RateLimited(message or "the model's server has had too many requests", retry_after_s=1)
        if status == 501:
            # It will say so again, however often it is asked: nothing for another try, unlike all others from 500 on.
            return NotOffered(message or "the model's server does not offer that")
        if status == 508:
            return LoopDetected(message or None)
        if status in BUSY:
            return Unavailable(message or None, retry_after_s=1)
        if status >= 500:
            return UpstreamFailed(f"the model's server answered {status}" + (f": {message}" if message else ""))
        if status == 400 and _OVERFLOWS & {kind, code}:
            return ContextOverflow(message or None, parameter=parameter or INPUT_FIELDS[operation], expected=SHORTER)
        return UpstreamRefused(
            message or f"the model's server answered {status}", status=status, type_=kind, parameter=parameter
        )


def body_for(ask: Ask, upstream_model: str) -> bytes:
    """The body of `ask` with the server's own model name, and with usage asked for in every stream. Raises the fault
    of an ask that has no words of this kind."""
    if ask.native is not None:
        check_translated(ask.native)
    body = ask.body
    asks_usage = ask.is_streamed and not ask.wants_usage and ask.operation in _TAKES_STREAM_OPTIONS
    if asks_usage and upstream_model == ask.model and b'"stream_options"' not in body and b"{" in body:
        return with_first(body, _USAGE)  # most streams: nothing needs to be read for that
    if not asks_usage and upstream_model == ask.model:
        return body
    fields = fields_of(body)
    wanted: dict[str, bytes] = {}
    if upstream_model != ask.model:
        wanted["model"] = json_text(upstream_model)
    if asks_usage:
        wanted["stream_options"] = with_usage(fields.get("stream_options"))
    return with_fields(body, fields, wanted)


SHORTER: Final = "a shorter input"
"""What would have been right, where the server's own words alone tell how long the input may be."""
_USAGE: Final = b'"stream_options":{"include_usage":true}'
_OVERFLOWS: Final = frozenset({"context_length_exceeded", "exceed_context_size_error"})
"""OpenAI's own word, and llama.cpp's."""


def error_in(body: bytes) -> tuple[str, str | None, str | None, str | None]:
    """Message, type, code and parameter of an error answer, in any of the shapes such servers use."""
    try:
        answer: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", None, None, None
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if isinstance(error, str):
        return one_line(error, MAX_MESSAGE_CHARS), None, None, None
    if not isinstance(error, dict):
        return "", None, None, None
    message = error.get("message") or error.get("detail") or ""
    text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    return one_line(text, MAX_MESSAGE_CHARS), _word(error, "type"), _word(error, "code"), _word(error, "param")


def _word(error: dict[str, Any], name: str) -> str | None:
    word = error.get(name)
    return one_line(word, MAX_WORD_CHARS) if isinstance(word, str) else None
