"""Every fault in document S3's words."""

import json

import pytest

import remuda.app.asgi  # noqa: F401 - with it every fault there is has been imported
from remuda.core.faults import QueueFull, UpstreamRefused, all_faults
from remuda.dialects.kit.status import status_of
from remuda.dialects.observe.errors import refusal

OURS = [fault for fault in all_faults() if fault.__module__.startswith("remuda.")]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_fault_is_a_sentence(kind):
    fault = kind(status=400) if issubclass(kind, UpstreamRefused) else kind()
    answer = refusal(fault, "req_1")
    assert json.loads(answer.body) == {"detail": fault.message}
    assert answer.status == status_of(fault)


def test_when_to_come_again():
    assert (b"retry-after", b"7") in refusal(QueueFull(retry_after_s=7), "req_1").headers
