"""Faults in OpenAI's error shape, with what document S1 adds (`details`, `request_id`)."""

from typing import Any, Final

import msgspec

from remuda.core import faults
from remuda.core.faults import Fault
from remuda.dialects.kit.waiting import waiting_headers
from remuda.gateway.face import Refusal
from remuda.wire.sse import event_of

STATUS: Final[dict[type[Fault], tuple[int, str]]] = {
    Fault: (500, "api_error"),
    faults.InvalidRequest: (400, "invalid_request_error"),
    faults.InvalidJson: (400, "invalid_request_error"),
    faults.ContextOverflow: (400, "invalid_request_error"),
    faults.MissingCredential: (401, "authentication_error"),
    faults.InvalidCredential: (401, "authentication_error"),
    faults.ExpiredCredential: (401, "authentication_error"),
    faults.InvalidToken: (401, "authentication_error"),
    faults.Forbidden: (403, "permission_error"),
    faults.ForeignOrigin: (403, "permission_error"),
    faults.UnknownModel: (404, "invalid_request_error"),
    faults.UnknownNode: (404, "invalid_request_error"),
    faults.UnknownEntry: (404, "invalid_request_error"),
    faults.UnknownTask: (404, "invalid_request_error"),
    faults.UnknownFile: (404, "invalid_request_error"),
    faults.UnknownBatch: (404, "invalid_request_error"),
    faults.UnknownRoute: (404, "invalid_request_error"),
    faults.MethodNotAllowed: (405, "invalid_request_error"),
    faults.Taken: (409, "invalid_request_error"),
    faults.RequestTimeout: (408, "invalid_request_error"),
    faults.BodyTooLarge: (413, "invalid_request_error"),
    faults.UnsupportedMedia: (415, "invalid_request_error"),
    faults.RateLimited: (429, "rate_limit_error"),
    faults.BudgetExceeded: (429, "insufficient_quota"),
    faults.HeadTooLarge: (431, "invalid_request_error"),
    faults.NotOffered: (501, "not_implemented_error"),
    faults.LoopDetected: (508, "upstream_error"),
    faults.UpstreamFailed: (502, "upstream_error"),
    faults.StreamCut: (502, "upstream_error"),
    faults.Unavailable: (503, "unavailable_error"),
    faults.QueueFull: (503, "unavailable_error"),
    faults.EngineDown: (503, "unavailable_error"),
    faults.ShuttingDown: (503, "unavailable_error"),
    faults.WaitedTooLong: (504, "timeout_error"),
    faults.UpstreamSilent: (504, "timeout_error"),
    faults.TaskTimeLimit: (504, "timeout_error"),
    faults.MadeRoom: (503, "unavailable_error"),
    faults.ClientGone: (499, "client_gone"),
    faults.UpstreamRefused: (400, "invalid_request_error"),
}
"""HTTP status and OpenAI's `type` of each fault; a test holds it complete."""

JSON_TYPE: Final = (b"content-type", b"application/json")


def error_object(fault: Fault, request_id: str) -> dict[str, Any]:
    """The `error` object: OpenAI's `message`, `type`, `param` and `code`, and S1's `details` and `request_id`."""
    _, kind = STATUS[type(fault)]
    code = fault.code
    if isinstance(fault, faults.UpstreamRefused) and fault.type:
        kind = fault.type
    error: dict[str, Any] = {
        "message": fault.message,
        "type": kind,
        "param": fault.parameter,
        "code": code,
        "request_id": request_id,
    }
    if fault.parameter is not None:
        error["details"] = {
            "parameter": fault.parameter,
            "received_value": fault.received,
            "expected_type": fault.expected,
        }
    return error


def status_of(fault: Fault) -> int:
    """The HTTP status that says `fault`."""
    return fault.status if isinstance(fault, faults.UpstreamRefused) else STATUS[type(fault)][0]


def refusal(fault: Fault, request_id: str) -> Refusal:
    """The whole answer that says `fault`."""
    headers = [JSON_TYPE, *waiting_headers(fault)]
    if STATUS[type(fault)][0] == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return Refusal(status_of(fault), tuple(headers), msgspec.json.encode({"error": error_object(fault, request_id)}))


def stream_error(fault: Fault, request_id: str) -> bytes:
    """The event that says `fault` inside a stream. No `[DONE]` follows it."""
    return event_of(msgspec.json.encode({"error": error_object(fault, request_id)}))
