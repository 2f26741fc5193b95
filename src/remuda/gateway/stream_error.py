"""An error that a server says as the first thing of its stream: as good as an answer with that status.

Sources: OpenAI's API (`error` in chat completions, `error` and `response.failed` in responses), Anthropic's (`error`),
Ollama's (a line with `error`), llama.cpp's server (`code` is a status).
"""

from typing import Any, Final

import msgspec

from remuda.core.ask import Operation
from remuda.core.faults import Fault
from remuda.engines.protocol import Engine

_STATUSES: Final = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "overloaded_error": 503,
}
"""What types and codes of errors stand for; all others mean that the server has failed."""


def fault_of_event(data: bytes, engine: Engine, operation: Operation) -> Fault:
    """The fault that the data of an error event stands for, as `engine` reads an answer that says the same."""
    error = _error_in(data)
    return engine.fault_of(_status_of(error), msgspec.json.encode({"error": error}), operation)


def _error_in(data: bytes) -> Any:
    try:
        event: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(event, dict):
        return ""
    response = event.get("response")
    if isinstance(response, dict):  # response.failed
        event = response
    return event.get("error") or event


def _status_of(error: Any) -> int:
    if not isinstance(error, dict):
        return 500
    code = error.get("code")
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code[:9])
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    words = (word for word in (code, error.get("type")) if isinstance(word, str))
    return next((_STATUSES[word] for word in words if word in _STATUSES), 500)
