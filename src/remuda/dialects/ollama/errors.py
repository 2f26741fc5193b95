"""Faults in Ollama's one shape: `{"error": "a sentence"}`."""

import msgspec

from remuda.core import faults
from remuda.core.faults import Fault
from remuda.dialects.kit.status import status_of
from remuda.dialects.kit.waiting import waiting_headers
from remuda.dialects.ollama.schemas import OllamaError
from remuda.gateway.face import Refusal
from remuda.wire.ndjson import line_of


def sentence(fault: Fault) -> str:
    """What Ollama's clients are told; of a model nobody knows in Ollama's own words, which some clients look for."""
    if isinstance(fault, faults.UnknownModel) and isinstance(fault.received, str):
        return f"model '{fault.received}' not found"
    return fault.message


def refusal(fault: Fault, request_id: str) -> Refusal:
    """The whole answer that says `fault`; the request's id stands in its head."""
    headers = [(b"content-type", b"application/json; charset=utf-8"), *waiting_headers(fault)]
    status = status_of(fault)
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return Refusal(status, tuple(headers), msgspec.json.encode(OllamaError(sentence(fault))))


def stream_error(fault: Fault, request_id: str) -> bytes:
    """The line that says `fault` inside a stream; it is the last one."""
    return line_of(OllamaError(sentence(fault)))
