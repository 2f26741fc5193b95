"""Every fault in document S3's words."""

import json

import pytest

import remuda.app.asgi  # noqa: F401 - with it every fault there is has been imported
from remuda.core.faults import (
    EngineDown,
    InvalidJson,
    QueueFull,
    StreamCut,
    Unavailable,
    UpstreamFailed,
    UpstreamRefused,
    WaitedTooLong,
    all_faults,
)
from remuda.dialects.kit.status import status_of
from remuda.dialects.observe.errors import proxy_refusal, refusal

OURS = [fault for fault in all_faults() if fault.__module__.startswith("remuda.")]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_fault_is_a_sentence(kind):
    fault = kind(status=400) if issubclass(kind, UpstreamRefused) else kind()
    answer = refusal(fault, "req_1")
    said = "Invalid JSON in request body" if kind is InvalidJson else fault.message
    assert json.loads(answer.body) == {"detail": said}
    assert answer.status == status_of(fault)


def test_when_to_come_again():
    assert (b"retry-after", b"7") in refusal(QueueFull(retry_after_s=7), "req_1").headers


def unsent():
    fault = UpstreamFailed("refused")
    fault.is_unsent = True
    return fault


def nobody_there():
    fault = WaitedTooLong("too long", retry_after_s=3)
    fault.is_nobody_there = True
    return fault


@pytest.mark.parametrize(
    "fault", [unsent(), StreamCut("gone"), EngineDown("down"), Unavailable("standby"), nobody_there()], ids=repr
)
def test_a_server_that_is_not_there(fault):
    answer = proxy_refusal(fault, "req_1")
    assert answer.status == 503
    assert json.loads(answer.body) == {"detail": f"Connection error to local LLM: {fault.message}"}


@pytest.mark.parametrize(
    ("fault", "status"),
    [(UpstreamFailed("500"), 502), (WaitedTooLong("busy"), 504), (QueueFull("full"), 503), (InvalidJson(), 400)],
    ids=repr,
)
def test_whatever_else_is_said_as_it_is(fault, status):
    answer = proxy_refusal(fault, "req_1")
    assert answer == refusal(fault, "req_1")
    assert answer.status == status
