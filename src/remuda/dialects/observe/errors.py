"""Faults in the words of document S3: `{"detail": "a sentence"}`."""

import msgspec

from remuda.core.faults import Fault
from remuda.dialects.kit.status import status_of
from remuda.dialects.kit.waiting import waiting_headers
from remuda.gateway.face import Refusal


def refusal(fault: Fault, request_id: str) -> Refusal:
    """The whole answer that says `fault`; the request's id stands in its head."""
    headers = [(b"content-type", b"application/json"), *waiting_headers(fault)]
    return Refusal(status_of(fault), tuple(headers), msgspec.json.encode({"detail": fault.message}))
