"""Faults in the words of document S3: `{"detail": "a sentence"}`."""

from typing import Final

import msgspec

from remuda.core.faults import EngineDown, Fault, InvalidJson, Unavailable, UpstreamFailed, WaitedTooLong
from remuda.dialects.kit.status import status_of
from remuda.dialects.kit.waiting import waiting_headers
from remuda.gateway.face import Refusal

NO_JSON: Final = "Invalid JSON in request body"
NO_CONNECTION: Final = "Connection error to local LLM: {why}"
"""Both in the document's own words, which clients may look for."""


def refusal(fault: Fault, request_id: str) -> Refusal:
    """The whole answer that says `fault`; the request's id stands in its head."""
    return _said(fault, NO_JSON if isinstance(fault, InvalidJson) else fault.message, status_of(fault))


def proxy_refusal(fault: Fault, request_id: str) -> Refusal:
    """As `refusal`, for an ask that was to be answered by a model: 503 where its server is not there."""
    if is_connection_error(fault):
        return _said(fault, NO_CONNECTION.format(why=fault.message), 503)
    return refusal(fault, request_id)


def is_connection_error(fault: Fault) -> bool:
    """Whether the model's server was not there, or went away without an answer."""
    if isinstance(fault, UpstreamFailed):
        return fault.is_unsent or fault.is_hang_up
    if isinstance(fault, WaitedTooLong):
        return fault.is_nobody_there
    return type(fault) in (EngineDown, Unavailable)


def _said(fault: Fault, detail: str, status: int) -> Refusal:
    headers = [(b"content-type", b"application/json"), *waiting_headers(fault)]
    return Refusal(status, tuple(headers), msgspec.json.encode({"detail": detail}))
