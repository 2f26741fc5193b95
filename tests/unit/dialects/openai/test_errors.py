"""Every fault in OpenAI's words; a new fault without a rendering fails here."""

import json

import pytest

import remuda.app.asgi  # noqa: F401 - with it every fault there is has been imported
from remuda.core.faults import Fault, InvalidRequest, RateLimited, UpstreamRefused, all_faults
from remuda.dialects.openai.errors import refusal, stream_error
from tests.fixtures.snapshots import check_kept

OURS = [fault for fault in all_faults() if fault.__module__.startswith("remuda.")]


def made(kind: type[Fault]) -> Fault:
    return kind(status=400) if issubclass(kind, UpstreamRefused) else kind()


def test_every_fault_has_its_status_type_and_code():  # rows 65, 66
    said = {}
    for kind in OURS:
        answer = refusal(made(kind), "req_1")
        error = json.loads(answer.body)["error"]
        said[kind.__name__] = {"status": answer.status, "type": error["type"], "code": error["code"]}
    check_kept("tests/snapshots/faults.json", json.dumps(said, indent=2) + "\n")


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_fault_says_a_sentence_and_the_id(kind):  # row 66, C29
    error = json.loads(refusal(made(kind), "req_1").body)["error"]
    assert error["message"].endswith(".")
    assert error["request_id"] == "req_1"
    assert {"message", "type", "param", "code"} <= error.keys()


def test_wrong_parameter_is_described():  # row 66
    fault = InvalidRequest("'n' is too many", parameter="n", received=500, expected="integer")
    error = json.loads(refusal(fault, "req_1").body)["error"]
    assert error["param"] == "n"
    assert error["details"] == {"parameter": "n", "received_value": 500, "expected_type": "integer"}


def test_retry_is_said_in_whole_seconds():
    assert (b"retry-after", b"7") in refusal(RateLimited(retry_after_s=7), "req_1").headers


def test_upstreams_own_refusal_keeps_its_status_and_word():
    answer = refusal(UpstreamRefused("no tools here", status=422, type_="tool_error"), "req_1")
    assert answer.status == 422
    assert json.loads(answer.body)["error"]["type"] == "tool_error"


def test_error_in_a_stream_is_an_event():
    event = stream_error(Fault(), "req_1")
    assert event.startswith(b'data: {"error":{')
    assert event.endswith(b"\n\n")
