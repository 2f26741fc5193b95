"""Lines of a batch's files."""

import json
from typing import Any

import pytest

from remuda.core.batch import FinishedLine, LineError
from remuda.core.task import TaskState
from remuda.jobs.batch_lines import Asked, Seen, duplicated, expired_line, is_answer, line_in, result_line

URL = "/v1/chat/completions"
GOOD: dict[str, Any] = {"custom_id": "c1", "method": "POST", "url": URL, "body": {"model": "m", "messages": []}}


def data_of(**values: Any) -> bytes:
    return json.dumps({name: value for name, value in (GOOD | values).items() if value is not ...}).encode()


def test_a_line_that_is_right():
    asked = line_in(data_of(), 1, URL)
    assert asked == Asked("c1", "m", b'{"model": "m", "messages": []}')
    assert isinstance(line_in(data_of(body={"model": "m", "stream": False}, extra=1), 1, URL), Asked)
    assert isinstance(line_in(data_of(body={"model": "m", "metadata": {"stream": True}}), 1, URL), Asked)


@pytest.mark.parametrize(
    ("data", "code", "param"),
    [
        (None, "line_too_long", None),
        (b"\xff", "invalid_encoding", None),
        (data_of().replace(b"c1", b"\xc3\x28"), "invalid_encoding", None),
        (b"{", "invalid_json_line", None),
        (b"[]", "invalid_json_line", None),
        (b"7", "invalid_json_line", None),
        (b"[" * 100_000, "invalid_json_line", None),
        (data_of() + b"}", "invalid_json_line", None),
        (data_of(custom_id=...), "missing_required_parameter", "custom_id"),
        (data_of(custom_id=7), "invalid_custom_id", "custom_id"),
        (data_of(custom_id=""), "invalid_custom_id", "custom_id"),
        (data_of(custom_id="x" * 513), "invalid_custom_id", "custom_id"),
        (data_of(custom_id="\x00"), "invalid_custom_id", "custom_id"),
        (data_of(method=...), "missing_required_parameter", "method"),
        (data_of(method="GET"), "invalid_method", "method"),
        (data_of(url=...), "missing_required_parameter", "url"),
        (data_of(url="/v1/embeddings"), "invalid_url", "url"),
        (data_of(url=None), "invalid_url", "url"),
        (data_of(body=...), "missing_required_parameter", "body"),
        (data_of(body=[]), "invalid_body", "body"),
        (data_of(body="x"), "invalid_body", "body"),
        (data_of(body={}), "missing_required_parameter", "body.model"),
        (data_of(body={"model": ""}), "missing_required_parameter", "body.model"),
        (data_of(body={"model": 7}), "missing_required_parameter", "body.model"),
        (data_of(body={"model": "x" * 257}), "missing_required_parameter", "body.model"),
        (data_of(body={"model": "m", "stream": True}), "invalid_stream", "body.stream"),
        (data_of(body={"model": "m", "stream": 1}), "invalid_stream", "body.stream"),
    ],
)
def test_lines_that_are_wrong(data: bytes | None, code: str, param: str | None):
    wrong = line_in(data, 7, URL)
    assert isinstance(wrong, LineError)
    assert (wrong.code, wrong.line, wrong.param) == (code, 7, param)
    assert wrong.message


def test_which_ids_were_there():
    seen = Seen()
    assert all(seen.add(f"c{n}") for n in range(5000))
    assert not any(seen.add(f"c{n}") for n in range(5000))
    assert seen.add("c5000")
    assert duplicated("x" * 1000, 3).line == 3
    assert len(duplicated("x" * 1000, 3).message) < 200


def finished(state: TaskState = TaskState.COMPLETED, result: bytes | None = b'{"a":1}', **values: Any) -> FinishedLine:
    usual: dict[str, Any] = {"status": 200, "error_type": "", "error_message": ""}
    return FinishedLine(1, "0f-1", 'c"1', state, result=result, **{**usual, **values})


def test_an_answer():
    line = result_line(finished(result=b'{\n  "a": "x y"\n}'))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "id": "batch_req_0f1",
        "custom_id": 'c"1',
        "response": {"status_code": 200, "request_id": "0f-1", "body": {"a": "x y"}},
        "error": None,
    }
    assert is_answer(finished())
    assert not is_answer(finished(TaskState.FAILED))


def test_failures():
    refused = json.loads(result_line(finished(TaskState.FAILED, b'{"error":{}}', status=400)))
    assert (refused["response"]["status_code"], refused["response"]["body"]) == (400, {"error": {}})
    lost = json.loads(result_line(finished(TaskState.DEAD, None, error_type="WorkerLost", error_message="died")))
    assert (lost["response"], lost["error"]) == (None, {"code": "WorkerLost", "message": "died"})
    odd = json.loads(result_line(finished(TaskState.DEAD, b"<html>\n", error_type="x", error_message="y")))
    assert odd["error"] == {"code": "x", "message": "y"}
    cancelled = json.loads(result_line(finished(TaskState.CANCELLED, b"{}")))
    assert (cancelled["response"], cancelled["error"]["code"]) == (None, "batch_cancelled")
    late = json.loads(expired_line("0f-1", "c1"))
    assert (late["id"], late["response"], late["error"]["code"]) == ("batch_req_0f1", None, "batch_expired")
