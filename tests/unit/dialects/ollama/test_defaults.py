import json

import pytest

from remuda.dialects.ollama.defaults import with_defaults


def laid(asked, parameters):
    body = json.dumps(asked).encode()
    return json.loads(with_defaults(body, {name: json.dumps(value).encode() for name, value in parameters.items()}))


@pytest.mark.parametrize(
    ("asked", "parameters", "wanted"),
    [
        ({}, {"temperature": 0.2, "seed": 3, "min_p": 0}, {"options": {"temperature": 0.2, "seed": 3, "min_p": 0}}),
        ({}, {"max_tokens": 5, "max_completion_tokens": 6}, {"options": {"num_predict": 5}}),
        ({}, {"max_completion_tokens": 6}, {"options": {"num_predict": 6}}),
        ({}, {"stop": "a"}, {"options": {"stop": "a"}}),
        ({"options": None}, {"top_k": 1}, {"options": {"top_k": 1}}),
        (
            {"options": {"num_predict": -1, "temperature": None}},
            {"max_tokens": 5, "temperature": 1, "top_p": 0.5},
            {"options": {"num_predict": -1, "temperature": None, "top_p": 0.5}},
        ),
        ({}, {"n": 1, "num_ctx": 9, "logit_bias": {}}, {}),
    ],
)
def test_options_are_filled_in_where_the_client_says_nothing(asked, parameters, wanted):
    assert laid(asked, parameters) == wanted


@pytest.mark.parametrize(
    ("asked", "options", "wanted"),
    [
        ({}, {"enable_thinking": False}, {"think": False}),
        ({}, {"enable_thinking": True}, {"think": True}),
        ({}, {"enable_thinking": True, "reasoning_effort": "low"}, {"think": "low"}),
        ({}, {"enable_thinking": True, "reasoning_effort": "none"}, {"think": True}),
        ({"think": False}, {"enable_thinking": True}, {"think": False}),
        ({}, {"other": 1}, {}),
        ({}, [], {}),
    ],
)
def test_whether_to_think(asked, options, wanted):
    assert laid(asked, {"chat_template_kwargs": options}) == wanted


def test_nothing_else_is_touched():
    body = b'{ "x" : 1.50}'
    assert with_defaults(body, {"n": b"1"}) == body
    assert with_defaults(body, {"top_k": b"1"}) == b'{"options":{"top_k":1}, "x" : 1.50}'
