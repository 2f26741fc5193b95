"""Faults in the words of document S2: `{"error": "a sentence", "status_code": 400}`."""

import msgspec

from remuda.core.faults import Fault
from remuda.dialects.kit.status import status_of
from remuda.dialects.kit.waiting import waiting_headers
from remuda.gateway.face import Refusal


def refusal(fault: Fault, request_id: str) -> Refusal:
    """The whole answer that says `fault`; the request's id stands in its head."""
    status = status_of(fault)
    headers = [(b"content-type", b"application/json"), *waiting_headers(fault)]
    said = {"error": fault.message, "status_code": status}
    return Refusal(status, tuple(headers), msgspec.json.encode(said))
