"""Requests in Anthropic's words, as engines get them."""

import json
from typing import Any

import pytest

from remuda.core.faults import Fault, InvalidJson, InvalidRequest, NotOffered
from remuda.dialects.anthropic.asks import read_messages

BASE: dict[str, Any] = {"model": "m", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}


def made(**more: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(read_messages(json.dumps({**BASE, **more}).encode()).body)
    return body


def test_a_plain_question() -> None:
    ask = read_messages(json.dumps(BASE).encode())
    assert (ask.model, ask.is_streamed) == ("m", False)
    assert json.loads(ask.body) == {**BASE}


def test_parameters_get_their_other_names() -> None:
    body = made(
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        stop_sequences=["X"],
        system="Be brief",
        stream=True,
        thinking={"type": "enabled", "budget_tokens": 1024},
        metadata={"user_id": "u"},
    )
    assert body["messages"][0] == {"role": "system", "content": "Be brief"}
    assert (body["temperature"], body["top_p"], body["top_k"], body["stop"]) == (0.5, 0.9, 4, ["X"])
    assert body["chat_template_kwargs"] == {"enable_thinking": True}
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert "metadata" not in body


def test_blocks_become_messages() -> None:
    body = made(
        system=[{"type": "text", "text": "A"}, {"type": "text", "text": "B"}],
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR"}},
                    {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": ""},
                    {"type": "redacted_thinking", "data": "?"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "A cat"}]},
                    {"type": "tool_result", "tool_use_id": "t2", "content": "no", "is_error": True},
                    {"type": "text", "text": "So?"},
                ],
            },
        ],
    )
    system, asked, answered, result, failed, last = body["messages"]
    assert system["content"] == "A\nB"
    assert [part["type"] for part in asked["content"]] == ["text", "image_url", "image_url"]
    assert asked["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBOR"
    assert (answered["content"], answered["reasoning_content"]) == ("I look.", "Hm.")
    [call] = answered["tool_calls"]
    assert (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) == (
        "t1",
        "look",
        {"at": 1},
    )
    assert result == {"role": "tool", "tool_call_id": "t1", "content": "A cat"}
    assert failed["content"] == "Error: no"
    assert last == {"role": "user", "content": "So?"}


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "f"}, {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"tool_choice": "required", "parallel_tool_calls": False}),
    ],
)
def test_tools(choice: dict[str, Any], wanted: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = made(tools=[{"name": "f", "description": "F", "input_schema": schema}], tool_choice=choice)
    function = {"name": "f", "parameters": schema, "description": "F"}
    assert body["tools"] == [{"type": "function", "function": function}]
    assert {name: body[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("more", "kind", "parameter"),
    [
        ({"model": ""}, InvalidRequest, "model"),
        ({"max_tokens": 0}, InvalidRequest, "max_tokens"),
        ({"messages": []}, InvalidRequest, "messages"),
        ({"messages": [{"role": "nobody", "content": ""}]}, InvalidRequest, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, InvalidRequest, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{}]}]}, InvalidRequest, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, InvalidRequest, "messages.0.content.0.text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]},
            InvalidRequest,
            "messages.0.content.0.source",
        ),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, NotOffered, None),
        ({"tools": [{"name": "f"}], "tool_choice": {"type": "tool"}}, InvalidRequest, "tool_choice.name"),
        ({"system": [{"type": "image"}]}, InvalidRequest, "system.0"),
    ],
)
def test_what_cannot_be_told_is_named(more: dict[str, Any], kind: type[Fault], parameter: str | None) -> None:
    with pytest.raises(kind) as caught:
        made(**more)
    assert caught.value.parameter == parameter


def test_max_tokens_is_required_and_bodies_are_json() -> None:
    with pytest.raises(InvalidRequest, match="max_tokens"):
        read_messages(b'{"model": "m", "messages": []}')
    with pytest.raises(InvalidJson):
        read_messages(b"{")
