"""Parameters by default in Anthropic's words."""

import json
from typing import Any

import pytest

from remuda.dialects.anthropic.defaults import with_defaults

ASKED: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": []}


def laid(asked: dict[str, Any], **parameters: Any) -> Any:
    body = json.dumps(ASKED | asked).encode()
    made = json.loads(with_defaults(body, {name: json.dumps(value).encode() for name, value in parameters.items()}))
    assert ASKED.items() <= made.items()
    return {name: value for name, value in made.items() if name not in ASKED}


@pytest.mark.parametrize(
    ("asked", "parameters", "wanted"),
    [
        ({}, {"temperature": 0.2, "top_p": 0.5, "top_k": 3}, {"temperature": 0.2, "top_p": 0.5, "top_k": 3}),
        ({}, {"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({}, {"stop": "a"}, {"stop_sequences": ["a"]}),
        (
            {"temperature": 0, "stop_sequences": []},
            {"temperature": 1, "stop": "a"},
            {"temperature": 0, "stop_sequences": []},
        ),
        ({}, {"max_tokens": 1, "seed": 1, "min_p": 0.1, "chat_template_kwargs": {"enable_thinking": True}}, {}),
    ],
)
def test_what_is_not_said_is_filled_in_and_what_has_no_word_left_out(
    asked: dict[str, Any], parameters: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert laid(asked, **parameters) == wanted


def test_nothing_else_is_touched() -> None:
    body = b'{ "max_tokens":9,"x" : 1.50}'
    assert with_defaults(body, {"seed": b"1"}) == body
    assert with_defaults(body, {"top_k": b"1"}) == b'{"top_k":1, "max_tokens":9,"x" : 1.50}'
