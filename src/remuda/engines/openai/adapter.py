"""Any server with an OpenAI-compatible API: vLLM, SGLang, LM Studio, somebody else's llama-server, another Remuda."""

from typing import Any, Final

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.faults import Fault, RateLimited, Unavailable, UpstreamFailed, UpstreamRefused
from remuda.engines.body import fields_of, json_text, with_fields
from remuda.engines.protocol import Outgoing

MAX_MESSAGE_CHARS: Final = 500

_PATHS: Final = {
    Operation.CHAT: "/chat/completions",
    Operation.COMPLETION: "/completions",
    Operation.RESPONSE: "/responses",
    Operation.EMBEDDING: "/embeddings",
    Operation.RERANK: "/rerank",
}
"""Below the server's base address, which ends in `/v1` as such servers' clients write it."""
_TAKES_STREAM_OPTIONS: Final = frozenset({Operation.CHAT, Operation.COMPLETION})


class OpenAILike:
    """How OpenAI-compatible servers are spoken to."""

    kind: Final = "openai"
    reuses_after_stream: Final = True

    def outgoing(self, ask: Ask, upstream_model: str) -> Outgoing:
        """The ask as it came, with the server's own model name, and with usage asked for in every stream."""
        body = ask.body
        wanted: dict[str, bytes] = {}
        if upstream_model != ask.model:
            wanted["model"] = json_text(upstream_model)
        if ask.is_streamed and not ask.wants_usage and ask.operation in _TAKES_STREAM_OPTIONS:
            wanted["stream_options"] = b'{"include_usage":true}'
        if wanted:
            body = with_fields(body, fields_of(body), wanted)
        return Outgoing(path=_PATHS[ask.operation], body=body, is_streamed=ask.is_streamed)

    def fault_of(self, status: int, body: bytes, operation: Operation) -> Fault:
        """The fault behind an error answer, in the server's own words where they are meant for the client."""
        message, kind, parameter = _error_in(body)
        if status in (401, 403):
            # Our own credential for that server was refused: no matter of the client's, and nothing to show it.
            return UpstreamFailed("the model's server refused the gateway's own credential")
        if status == 429:
            return RateLimited(message or "the model's server has had too many requests", retry_after_s=1)
        if status == 503:
            return Unavailable(message or None, retry_after_s=1)
        if status >= 500:
            return UpstreamFailed(f"the model's server answered {status}" + (f": {message}" if message else ""))
        return UpstreamRefused(
            message or f"the model's server answered {status}", status=status, type_=kind, parameter=parameter
        )


def _error_in(body: bytes) -> tuple[str, str | None, str | None]:
    """Message, type and parameter of an error answer, in any of the shapes such servers use."""
    try:
        answer: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", None, None
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if isinstance(error, str):
        return error[:MAX_MESSAGE_CHARS], None, None
    if not isinstance(error, dict):
        return "", None, None
    message = error.get("message") or error.get("detail") or ""
    kind, parameter = error.get("type"), error.get("param")
    return (
        str(message)[:MAX_MESSAGE_CHARS],
        kind[:100] if isinstance(kind, str) else None,
        parameter[:100] if isinstance(parameter, str) else None,
    )
