"""Faults in the words of document S0: an `error` object, and the status beside it."""

from collections.abc import Callable
from typing import Final

import msgspec

from remuda.core.faults import Fault
from remuda.core.moments import iso_time
from remuda.dialects.kit.owners import Renderer
from remuda.dialects.kit.status import status_of
from remuda.dialects.kit.waiting import waiting_headers
from remuda.gateway.face import Refusal

CODES: Final = {
    400: "VALIDATION_ERROR",
    404: "NOT_FOUND",
    409: "CONFLICT",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    503: "SERVICE_UNAVAILABLE",
}
"""The document's own; what has another status is told by its fault's code."""


class ManageError(msgspec.Struct, kw_only=True):
    """What went wrong."""

    code: str
    message: str
    details: str
    timestamp: str
    requestId: str


class RefusedByManage(msgspec.Struct):
    """The body of every refusal."""

    error: ManageError
    status: int


def refusals(wall: Callable[[], float]) -> Renderer:
    """What says a fault at the time that `wall` tells."""

    def refusal(fault: Fault, request_id: str) -> Refusal:
        status = status_of(fault)
        said = RefusedByManage(
            ManageError(
                code=CODES.get(status, fault.code.upper()),
                message=fault.message,
                details=fault.code,
                timestamp=iso_time(wall()),
                requestId=request_id,
            ),
            status,
        )
        headers = [(b"content-type", b"application/json"), *waiting_headers(fault)]
        return Refusal(status, tuple(headers), msgspec.json.encode(said))

    return refusal
