"""What an error stands for that is the first thing a stream says."""

import json
from typing import Any

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import ContextOverflow, Fault, RateLimited, Unavailable, UpstreamFailed, UpstreamRefused
from remuda.engines.openai.adapter import OpenAILike
from remuda.gateway.stream_error import fault_of_event


def fault_of(said: Any) -> Fault:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    return fault_of_event(data, OpenAILike(), Operation.CHAT)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"error": {"message": "why", "code": 500}}, UpstreamFailed),
        ({"error": {"message": "why"}}, UpstreamFailed),
        ({"error": "why"}, UpstreamFailed),
        ({"type": "error", "error": {"type": "api_error", "message": "why"}}, UpstreamFailed),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "why"}}, Unavailable),
        ({"type": "error", "error": {"type": "rate_limit_error", "message": "why"}}, RateLimited),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "why"}, RateLimited),
        (
            {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "why"}}},
            UpstreamFailed,
        ),
        (
            {"type": "response.failed", "response": {"error": {"code": "invalid_prompt", "message": "why"}}},
            UpstreamRefused,
        ),
        ({"error": {"message": "why", "code": 400, "type": "BadRequestError"}}, UpstreamRefused),
        ({"error": {"message": "why", "code": "404"}}, UpstreamRefused),
        ({"error": {"message": "why", "code": "context_length_exceeded"}}, ContextOverflow),
        ({"error": {"message": "why", "code": 200}}, UpstreamFailed),
        ({"error": {"message": "why", "code": 10**30}}, UpstreamFailed),
        ({"error": {"message": "why", "code": "9" * 5000}}, UpstreamFailed),
    ],
)
def test_it_is_read_as_an_answer_with_that_status_would_be(said: Any, kind: type[Fault]) -> None:
    fault = fault_of(said)
    assert type(fault) is kind
    assert "why" in fault.message


@pytest.mark.parametrize("said", [b"", b"{", b"[1]", b"\xff", b'"x"', {"error": 3}, {"error": None}, b"[" * 5000])
def test_whatever_else_it_says_the_server_has_failed(said: Any) -> None:
    assert type(fault_of(said)) is UpstreamFailed
