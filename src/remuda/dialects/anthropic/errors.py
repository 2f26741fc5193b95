"""Faults in Anthropic's shape: `{"type":"error","error":{"type","message"},"request_id"}`.

Source: Anthropic's documents, "Errors": what type goes with which status.
"""

from typing import Final

import msgspec

from remuda.core.faults import Fault, NotOffered, Unavailable
from remuda.dialects.anthropic.events import ID_HEADER, JSON, event
from remuda.dialects.anthropic.schemas import AnthropicError, AnthropicErrorDetail
from remuda.dialects.kit.status import status_of
from remuda.dialects.kit.waiting import waiting_headers
from remuda.gateway.face import Refusal

OVERLOADED: Final = 529
"""Anthropic's own status for "come again later"."""
TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    501: "invalid_request_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}
"""Type of each status; other refusals are `invalid_request_error`, other failures `api_error`."""


def refusal(fault: Fault, request_id: str) -> Refusal:
    """The whole answer that says `fault`."""
    status = _status(fault)
    headers = [(b"content-type", JSON), (ID_HEADER, request_id.encode()), *waiting_headers(fault)]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(fault, NotOffered):
        headers.append((b"x-should-retry", b"false"))  # Anthropic's clients try all from 500 on again
    return Refusal(status, tuple(headers), msgspec.json.encode(error_of(fault, request_id)))


def stream_error(fault: Fault, request_id: str) -> bytes:
    """The event that says `fault` inside a stream; no `message_stop` follows it."""
    return event("error", error=_detail(fault), request_id=request_id)


def error_of(fault: Fault, request_id: str) -> AnthropicError:
    """The error in `fault`."""
    return AnthropicError(_detail(fault), request_id)


def _detail(fault: Fault) -> AnthropicErrorDetail:
    status = _status(fault)
    kind = TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    return AnthropicErrorDetail(kind, fault.message)


def _status(fault: Fault) -> int:
    return OVERLOADED if isinstance(fault, Unavailable) else status_of(fault)
