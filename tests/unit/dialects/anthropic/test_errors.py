"""Every fault in Anthropic's words."""

import json

import pytest

import remuda.app.asgi  # noqa: F401 - with it every fault there is has been imported
from remuda.core.faults import MissingCredential, QueueFull, RateLimited, Unavailable, UpstreamRefused, all_faults
from remuda.dialects.anthropic.errors import OVERLOADED, refusal, stream_error
from remuda.dialects.kit.status import status_of
from tests.fixtures.snapshots import check_kept

OURS = [fault for fault in all_faults() if fault.__module__.startswith("remuda.")]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_fault_has_its_type(kind):
    fault = kind(status=400) if issubclass(kind, UpstreamRefused) else kind()
    answer = refusal(fault, "req_1")
    said = json.loads(answer.body)
    assert (said["type"], said["request_id"], said["error"]["message"]) == ("error", "req_1", fault.message)
    assert answer.status == (OVERLOADED if isinstance(fault, Unavailable) else status_of(fault))
    is_refusal = answer.status < 500 or answer.status == 501
    assert ((b"x-should-retry", b"false") in answer.headers) is (answer.status == 501)
    assert (said["error"]["type"] in {"api_error", "overloaded_error", "timeout_error"}) is not is_refusal


def test_statuses_and_types():
    said = {}
    for kind in OURS:
        answer = refusal(kind(status=400) if issubclass(kind, UpstreamRefused) else kind(), "req_1")
        said[kind.__name__] = {"status": answer.status, "type": json.loads(answer.body)["error"]["type"]}
    check_kept("tests/snapshots/faults-anthropic.json", json.dumps(said, indent=2) + "\n")


def test_types_and_headers():
    assert json.loads(refusal(QueueFull(), "r").body)["error"]["type"] == "overloaded_error"
    assert json.loads(refusal(RateLimited(), "r").body)["error"]["type"] == "rate_limit_error"
    headers = refusal(MissingCredential(), "r").headers
    assert (b"request-id", b"r") in headers
    assert (b"www-authenticate", b"Bearer") in headers


def test_in_a_stream():
    assert stream_error(QueueFull("full"), "r").startswith(
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"full"},"request_id":"r"}'
    )
