"""Requests, read and checked."""

from typing import Any

import pytest

from remuda.engines.transformers.asked import (
    Refused,
    Wish,
    chat_of,
    prompts_of,
    wants_base64,
    wants_usage,
    wish_of,
)


def test_nothing_asked_is_the_models_own_way() -> None:
    assert wish_of({}) == Wish()
    assert wish_of({"temperature": None, "stop": None, "n": None, "tools": [], "logprobs": False}) == Wish()


def test_everything_asked() -> None:
    body = {
        "max_tokens": 5,
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 3,
        "presence_penalty": 1,
        "frequency_penalty": -1.5,
        "stop": ["a", "", "b"],
        "seed": 9,
        "n": 2,
        "response_format": {"type": "text"},
    }
    assert wish_of(body) == Wish(5, 0.0, 0.5, 3, 1.0, -1.5, ("a", "b"), 9, 2)
    assert wish_of({"max_tokens": 5, "max_completion_tokens": 7}).max_tokens == 7
    assert wish_of({"stop": "x"}).stop == ("x",)


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_p": float("nan")}, "top_p"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"seed": "x"}, "seed"),
        ({"stop": 7}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": ["x" * 1001]}, "stop"),
        ({"tools": [{}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"echo": True}, "echo"),
        ({"suffix": "x"}, "suffix"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": "text"}, "response_format"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(body: dict[str, Any], parameter: str) -> None:
    with pytest.raises(Refused) as caught:
        wish_of(body)
    assert caught.value.error["param"] == parameter
    assert caught.value.error["type"] == "invalid_request_error"


def test_a_conversation() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    chat = chat_of(
        {
            "messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": None, "name": "x"}],
            "chat_template_kwargs": {"enable_thinking": True},
        }
    )
    assert chat.messages == [
        {"role": "user", "content": "ab"},
        {"role": "assistant", "content": "", "name": "x"},
    ]
    assert chat.template == {"enable_thinking": True}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"messages": "Hello"},
        {"messages": ["Hello"]},
        {"messages": [{"content": "Hello"}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        {"messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": 7},
    ],
)
def test_what_is_no_conversation(body: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        chat_of(body)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", ["a"]), (["a", "b"], ["a", "b"]), ([1, 2], [[1, 2]]), ([[1], [2, 3]], [[1], [2, 3]]), ("", [""])],
)
def test_texts(value: Any, expected: Any) -> None:
    assert prompts_of({"input": value}, "input") == expected


@pytest.mark.parametrize("value", [None, [], [[]], 7, [7.5], [-1], [True], {"a": 1}, ["a"] * 2049])
def test_what_are_no_texts(value: Any) -> None:
    with pytest.raises(Refused) as caught:
        prompts_of({"input": value}, "input")
    assert caught.value.error["param"] == "input"


def test_how_vectors_are_written() -> None:
    assert not wants_base64({})
    assert not wants_base64({"encoding_format": "float"})
    assert wants_base64({"encoding_format": "base64"})
    for body in ({"encoding_format": "hex"}, {"dimensions": 3}):
        with pytest.raises(Refused):
            wants_base64(body)


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, "x"])
def test_usage_is_for_those_who_ask(options: Any) -> None:
    assert not wants_usage({"stream_options": options})
    assert wants_usage({"stream_options": {"include_usage": True}})
