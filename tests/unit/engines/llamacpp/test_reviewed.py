"""Values that must not reach the engine, and ordinary ones that must."""

import json
from typing import Any

import pytest

from remuda.core.faults import InvalidJson, InvalidRequest
from remuda.engines.body import fields_of
from remuda.engines.llamacpp.reviewed import MAX_GRAMMAR_BYTES, MAX_STOP_CHARS, MAX_STOPS, check_fields


def check(**fields: Any) -> None:
    check_fields(fields_of(json.dumps(fields).encode()))


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        value = {"type": "array", "items": value}
    return value


def called(arguments: Any) -> dict[str, Any]:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call, 5, {"function": None}]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_discard", -1),
        ("n_keep", -2),
        ("max_tokens", 2**32 - 1),
        ("max_tokens", -2),
        ("max_completion_tokens", 10**18),
        ("n_predict", 10**400),
        ("max_output_tokens", 2**31),
        ("repeat_last_n", 500_000_000),
        ("dry_penalty_last_n", 2**31 - 1),
        ("n_probs", 10**9),
        ("top_logprobs", -1),
        ("logprobs", 1000),
        ("id_slot", 0),
        ("id_slot", -2),
        ("n_keep", "5"),
        ("n_discard", [1]),
        ("grammar", "root ::= " + "(" * 100_000 + '"a"' + ")" * 100_000),
        ("grammar", "x" * (MAX_GRAMMAR_BYTES + 1)),
        ("grammar", 5),
        ("response_format", {"type": "json_schema", "json_schema": {"schema": nested(300)}}),
        ("json_schema", nested(300)),
        ("tools", [{"type": "function", "function": {"parameters": nested(300)}}]),
        ("text", {"format": nested(300)}),
        ("chat_template_kwargs", {"a": nested(300)}),
        ("dry_sequence_breakers", ["x"] * 1000),
        ("stop", ["x"] * (MAX_STOPS + 1)),
        ("stop", "x" * (MAX_STOP_CHARS + 1)),
        ("stop", ["a", "x" * (MAX_STOP_CHARS + 1)]),
        ("messages", [{"role": "user", "content": "x"}, called('{"a":' + "[" * 50_000 + "]" * 50_000 + "}")]),
        ("input", [{"type": "function_call", "name": "f", "arguments": "[" * 50_000 + "]" * 50_000}]),
    ],
)
def test_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(**{name: value})
    assert caught.value.parameter == name
    assert caught.value.expected


def test_refused_text_that_is_no_json() -> None:
    fields = fields_of(b'{"grammar":"\xff"}')
    with pytest.raises(InvalidJson):
        check_fields(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"messages": [], "temperature": -5},
        {"max_tokens": -1, "n_keep": -1, "n_discard": 0, "id_slot": -1},
        {"max_tokens": None, "logprobs": True, "grammar": None, "tools": None, "response_format": None},
        {"max_tokens": 2**31 - 1, "top_logprobs": 20, "logprobs": 5, "repeat_last_n": 4096, "n_probs": 10.0},
        {"grammar": 'root ::= "(" [(] # ((((\n' + "(" * 150 + '"a"' + ")" * 150},
        {"grammar": 'root ::= ("a" | "b") ' * 5000},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": nested(90)}}},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": nested(5)}}] * 500},
        {"stop": ["x" * 100] * MAX_STOPS},
        {"stop": None, "text": "plain", "dry_sequence_breakers": ["x"] * 5},
        {"messages": [called("[[1]]"), called({"a": []}), called('[{"a":[]}]' * 10_000), 5, {"tool_calls": 5}]},
        {"messages": [{"role": "user", "content": "[{" * 50_000}, "{" * 50_000, ["["]]},
        {"messages": "[" * 50_000, "input": "{" * 50_000},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "[" * 50_000}]}]},
    ],
)
def test_let_through(fields: dict[str, Any]) -> None:
    check(**fields)
