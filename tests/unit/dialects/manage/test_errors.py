"""Every fault in document S0's words."""

import json

import pytest

import remuda.app.asgi  # noqa: F401 - with it every fault there is has been imported
from remuda.core.faults import InvalidRequest, QueueFull, UpstreamRefused, all_faults
from remuda.dialects.kit.status import status_of
from remuda.dialects.manage.errors import refusals

OURS = [fault for fault in all_faults() if fault.__module__.startswith("remuda.")]
refusal = refusals(lambda: 1705312800.0)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_fault_has_the_documents_shape(kind):
    fault = kind(status=400) if issubclass(kind, UpstreamRefused) else kind()
    answer = refusal(fault, "req_1")
    said = json.loads(answer.body)
    assert said["status"] == answer.status == status_of(fault)
    assert set(said["error"]) == {"code", "message", "details", "timestamp", "requestId"}
    assert said["error"]["code"].isupper()


def test_the_documents_own_example():
    said = json.loads(refusal(InvalidRequest("hours is a whole number"), "req_12345").body)
    assert said == {
        "error": {
            "code": "VALIDATION_ERROR",
            "message": "hours is a whole number",
            "details": "invalid_request",
            "timestamp": "2024-01-15T10:00:00Z",
            "requestId": "req_12345",
        },
        "status": 400,
    }


def test_when_to_come_again():
    assert (b"retry-after", b"7") in refusal(QueueFull(retry_after_s=7), "req_1").headers
