"""Bodies become asks: the few fields that are read, and what is said when they are wrong."""

import json
from typing import Any

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import InvalidJson, InvalidRequest
from remuda.dialects.openai.face import OpenAIFace, lane_routes

FACE = OpenAIFace()
LEAST: dict[Operation, dict[str, Any]] = {
    Operation.CHAT: {"model": "m", "messages": []},
    Operation.COMPLETION: {"model": "m", "prompt": "x"},
    Operation.EMBEDDING: {"model": "m", "input": "x"},
    Operation.RESPONSE: {"model": "m", "input": "x"},
    Operation.RERANK: {"model": "m", "query": "x", "documents": []},
}


def read(operation: Operation = Operation.CHAT, **fields: Any) -> Any:
    return FACE.read(operation, json.dumps({**LEAST[operation], **fields}).encode())


@pytest.mark.parametrize("operation", LEAST)
def test_the_least_there_can_be(operation: Operation):
    ask = read(operation)
    assert (ask.operation, ask.model, ask.is_streamed, ask.choices) == (operation, "m", False, 1)
    assert json.loads(ask.body) == LEAST[operation], "the body stays as it came"


@pytest.mark.parametrize("operation", LEAST)
@pytest.mark.parametrize("missing", ["model", "messages", "prompt", "input", "query", "documents"])
def test_what_is_missing_is_named(operation: Operation, missing: str):
    if missing not in LEAST[operation]:
        return
    body = {name: value for name, value in LEAST[operation].items() if name != missing}
    with pytest.raises(InvalidRequest) as fault:
        FACE.read(operation, json.dumps(body).encode())
    assert fault.value.parameter == missing


def test_unknown_fields_and_nulls_are_no_matter():
    ask = read(anything={"deep": [1]}, stream=None, n=None, stream_options=None)
    assert (ask.is_streamed, ask.wants_usage, ask.choices) == (False, False, 1)


def test_a_stream_with_usage_and_choices():
    ask = read(stream=True, stream_options={"include_usage": True}, n=3)
    assert (ask.is_streamed, ask.wants_usage, ask.choices) == (True, True, 3)


def test_the_responses_api_always_tells_usage():
    assert read(Operation.RESPONSE, stream=True).wants_usage


@pytest.mark.parametrize(
    "given", ["a", ["a", "b"], [1, 2, 3], [[1], [2, 3]], []], ids=["text", "texts", "tokens", "lists", "none"]
)
def test_what_can_be_embedded(given: Any):
    assert read(Operation.EMBEDDING, input=given).model == "m"


@pytest.mark.parametrize(
    ("fields", "parameter", "received", "expected"),
    [
        ({"model": 5}, "model", 5, "str"),
        ({"model": 1.5}, "model", 1.5, "str"),
        ({"model": True}, "model", True, "str"),
        ({"model": None}, "model", None, "str"),
        ({"model": ["m"]}, "model", None, "str"),
        ({"model": ""}, "model", "", "string"),
        ({"model": "x" * 257}, "model", "x" * 200, "string"),
        ({"stream": "yes"}, "stream", "yes", "bool | null"),
        ({"stream": "y" * 300}, "stream", "y" * 200, "bool | null"),
        ({"stream": "ä" * 5000}, "stream", "\\u00e4" * 33 + "\\u", "bool | null"),
        ({"n": 0}, "n", 0, "integer"),
        ({"n": 129}, "n", 129, "integer"),
        ({"n": 1.5}, "n", 1.5, "int | null"),
        ({"n": "2"}, "n", "2", "int | null"),
        ({"messages": "hello"}, "messages", "hello", "array"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", 1, "bool | null"),
        ({"stream_options": 3}, "stream_options", 3, "object | null"),
    ],
)
def test_what_is_wrong_is_named_and_said_back(fields: dict[str, Any], parameter: str, received: Any, expected: str):
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    fault = caught.value
    assert (fault.parameter, fault.received, fault.expected) == (parameter, received, expected)


@pytest.mark.parametrize(
    ("wrong", "path", "received"),
    [(None, "input[1]", None), ({"a": 2}, "input[1]", None), ([2.5], "input[1][0]", 2.5)],
)
def test_inside_a_list_the_entry_is_named(wrong: Any, path: str, received: Any):
    with pytest.raises(InvalidRequest) as caught:
        read(Operation.EMBEDDING, input=["a", wrong])
    assert (caught.value.parameter, caught.value.received) == (path, received)


@pytest.mark.parametrize("text", ["\\ud800", "a\\udc00b", "\\ud800\\ud800", "\\\\\\udbff", "\\ud83e\\udd99\\uDC00"])
def test_half_a_character_is_called_that(text: str):
    with pytest.raises(InvalidJson, match=r"half a surrogate pair \(\\u[dD][0-9a-fC]+, byte \d+\)"):
        FACE.read(Operation.CHAT, f'{{"model": "m", "messages": ["{text}"]}}'.encode())


def test_whole_characters_and_backslashes_are_not_taken_for_halves():
    with pytest.raises(InvalidJson, match="not valid JSON"):
        FACE.read(Operation.CHAT, b'{"model": "m", "messages": ["\\ud83e\\udd99 \\\\ud800"')
    assert FACE.read(Operation.CHAT, b'{"model": "m", "messages": ["\\ud83e\\udd99 \\\\ud800"]}').model == "m"


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"model": "m", "messages": []}x', b"\xff", b'{"model": "\xff"}', b'{"x":' + b"[" * 100_000]
)
def test_what_is_no_json_is_said_to_be_none(body: bytes):
    with pytest.raises(InvalidJson):
        FACE.read(Operation.CHAT, body)


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"3", b"null"])
def test_what_is_json_and_no_object_is_refused(body: bytes):
    with pytest.raises(InvalidRequest, match="Expected `object`"):
        FACE.read(Operation.CHAT, body)


def test_v2_is_the_same_as_v1():
    routes = {route.path: route.operation for route in lane_routes(FACE)}
    assert len(routes) == 2 * len(LEAST)
    assert all(routes[path.replace("/v1/", "/v2/")] is operation for path, operation in routes.items())


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [("x", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2), ([], 1), ([1, "mixed"], 1), ({"odd": 1}, 1)],
)
def test_prompts_of_a_streamed_completion_are_counted(prompt: Any, prompts: int):
    assert read(Operation.COMPLETION, prompt=prompt, stream=True).prompts == prompts


@pytest.mark.parametrize(
    ("operation", "fields", "told"),
    [
        (Operation.CHAT, {}, ("", None, None)),
        (Operation.CHAT, {"user": "mia", "temperature": 0, "max_tokens": 5}, ("mia", 0.0, 5)),
        (Operation.CHAT, {"safety_identifier": "s" * 300, "max_completion_tokens": 6}, ("s" * 256, None, 6)),
        (Operation.CHAT, {"stream": True, "temperature": 0.5, "user": None}, ("", 0.5, None)),
        (Operation.COMPLETION, {"user": "mia", "max_tokens": 7}, ("mia", None, 7)),
        (Operation.RESPONSE, {"user": "mia", "max_output_tokens": 8}, ("mia", None, 8)),
    ],
)
def test_what_the_journal_tells_of_how_it_was_asked(operation, fields, told):
    body = {"model": "m", "messages": [], "prompt": "p", "input": "i", **fields}
    assert OpenAIFace().read(operation, json.dumps(body).encode()).told == told
