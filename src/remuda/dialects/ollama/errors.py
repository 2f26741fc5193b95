"""Faults in Ollama's one shape: `{"error": "a sentence"}`."""

from typing import Final

import msgspec

from remuda.core import faults
from remuda.core.faults import Fault
from remuda.dialects.ollama.schemas import OllamaError
from remuda.gateway.face import Refusal
from remuda.wire.ndjson import line_of

STATUS: Final[dict[type[Fault], int]] = {
    Fault: 500,
    faults.InvalidRequest: 400,
    faults.InvalidJson: 400,
    faults.ContextOverflow: 400,
    faults.MissingCredential: 401,
    faults.InvalidCredential: 401,
    faults.ExpiredCredential: 401,
    faults.InvalidToken: 401,
    faults.Forbidden: 403,
    faults.ForeignOrigin: 403,
    faults.UnknownModel: 404,
    faults.UnknownRoute: 404,
    faults.MethodNotAllowed: 405,
    faults.RequestTimeout: 408,
    faults.BodyTooLarge: 413,
    faults.UnsupportedMedia: 415,
    faults.RateLimited: 429,
    faults.HeadTooLarge: 431,
    faults.NotOffered: 501,
    faults.UpstreamFailed: 502,
    faults.StreamCut: 502,
    faults.Unavailable: 503,
    faults.QueueFull: 503,
    faults.EngineDown: 503,
    faults.ShuttingDown: 503,
    faults.WaitedTooLong: 504,
    faults.UpstreamSilent: 504,
    faults.ClientGone: 499,
    faults.UpstreamRefused: 400,
}
"""HTTP status of each fault; a test holds it complete."""


def sentence(fault: Fault) -> str:
    """What Ollama's clients are told; of a model nobody knows in Ollama's own words, which some clients look for."""
    if isinstance(fault, faults.UnknownModel) and isinstance(fault.received, str):
        return f"model '{fault.received}' not found"
    return fault.message


def refusal(fault: Fault, request_id: str) -> Refusal:
    """The whole answer that says `fault`; the request's id stands in its head."""
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    if fault.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % fault.retry_after_s))
    status = fault.status if isinstance(fault, faults.UpstreamRefused) else STATUS[type(fault)]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return Refusal(status, tuple(headers), msgspec.json.encode(OllamaError(sentence(fault))))


def stream_error(fault: Fault, request_id: str) -> bytes:
    """The line that says `fault` inside a stream; it is the last one."""
    return line_of(OllamaError(sentence(fault)))
