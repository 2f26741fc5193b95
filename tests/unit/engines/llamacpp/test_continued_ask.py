import json
from typing import Any

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import NotOffered
from remuda.engines.body import fields_of
from remuda.engines.llamacpp.continued_ask import is_exact, limit_of, rest_of
from tests.unit.engines.client import ask_of

CHAT, COMPLETION = Operation.CHAT, Operation.COMPLETION
MESSAGES = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("operation", "fields", "exact"),
    [
        (CHAT, {"messages": MESSAGES}, True),
        (CHAT, {"messages": MESSAGES, "tools": [], "response_format": {"type": "text"}, "logprobs": False}, True),
        (CHAT, {"messages": MESSAGES, "tools": [{"type": "function"}]}, False),
        (CHAT, {"messages": MESSAGES, "functions": [{"name": "f"}]}, False),
        (CHAT, {"messages": MESSAGES, "response_format": {"type": "json_object"}}, False),
        (CHAT, {"messages": MESSAGES, "response_format": "nonsense"}, False),
        (CHAT, {"messages": MESSAGES, "json_schema": {"type": "object"}}, False),
        (CHAT, {"messages": MESSAGES, "grammar": 'root ::= "x"'}, False),
        (CHAT, {"messages": MESSAGES, "logprobs": True}, False),
        (CHAT, {"messages": MESSAGES, "n": 2}, False),
        (COMPLETION, {"prompt": "x"}, True),
        (COMPLETION, {"prompt": ["x"]}, False),
        (COMPLETION, {"prompt": [1, 2]}, False),
        (COMPLETION, {"prompt": "x", "suffix": "y"}, False),
        (COMPLETION, {"prompt": "x", "logprobs": 3}, False),
        (COMPLETION, {"prompt": "x", "echo": True}, False),
    ],
)
def test_which_answers_are_the_same_when_they_are_continued(operation: Operation, fields: dict[str, Any], exact: bool):
    ask = ask_of(operation, fields, is_streamed=True, choices=fields.get("n", 1))
    assert is_exact(ask, fields_of(ask.body), {}) is exact


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, None),
        ({"max_tokens": 5}, 5),
        ({"max_tokens": None, "max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "n_predict": 3}, 3),
        ({"max_tokens": -1}, None),
    ],
)
def test_how_much_may_be_said(fields: dict[str, Any], limit: int | None):
    assert limit_of(fields_of(json.dumps(fields).encode())) == limit


def test_a_limit_that_is_no_number_is_none_to_go_by():
    with pytest.raises(NotOffered):
        limit_of(fields_of(b'{"max_tokens":"many"}'))


def test_the_rest_is_asked_with_all_that_decides_on_tokens():
    asked = {
        "model": "m",
        "messages": MESSAGES,
        "stream": True,
        "return_progress": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
        "stop": ["x"],
        "seed": 4,
        "repeat_penalty": 1.25,
        "logit_bias": [[1, -2.5]],
        "response_format": {"type": "text"},
    }
    outgoing = rest_of(fields_of(json.dumps(asked).encode()), "prompt and text", 4)
    assert (outgoing.path, outgoing.is_streamed) == ("/v1/completions", True)
    assert json.loads(outgoing.body) == {
        "model": "m",
        "prompt": "prompt and text",
        "stream": True,
        "return_progress": True,
        "n_predict": 4,
        "stop": ["x"],
        "seed": 4,
        "repeat_penalty": 1.25,
        "logit_bias": [[1, -2.5]],
    }
