"""Requests in Anthropic's words, as engines get them."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Operation
from remuda.core.faults import InvalidJson, InvalidRequest
from remuda.dialects.anthropic.asks import MAX_BLOCKS, read_count, read_messages

BASE: dict[str, Any] = {"model": "m", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}


def made(**more: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(read_messages(json.dumps({**BASE, **more}).encode()).body)
    return body


def test_a_plain_question() -> None:
    ask = read_messages(json.dumps(BASE).encode())
    assert (ask.operation, ask.model, ask.is_streamed, ask.sequences) == (Operation.CHAT, "m", False, ())
    assert (ask.shows_thinking, ask.wants_stop_word) == (False, False)
    assert json.loads(ask.body) == {**BASE, "chat_template_kwargs": {"enable_thinking": False}}


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
    assert body["thinking_budget_tokens"] == 1024
    assert "metadata" not in body


def test_the_journal_is_told_how_it_was_asked() -> None:
    fields = {**BASE, "temperature": 0.5, "metadata": {"user_id": "u" * 300, "other": 1}}
    assert read_messages(json.dumps(fields).encode()).told == ("u" * 256, 0.5, BASE["max_tokens"])
    assert read_messages(json.dumps({**BASE, "metadata": {}}).encode()).told == ("", None, BASE["max_tokens"])


@pytest.mark.parametrize(
    ("thinking", "kwargs", "shows"),
    [
        ({"type": "enabled", "budget_tokens": 10}, {"enable_thinking": True, "reasoning_effort": "high"}, True),
        ({"type": "adaptive"}, {"enable_thinking": True, "reasoning_effort": "high"}, True),
        ({"type": "disabled"}, {"enable_thinking": False}, False),
        (None, {"enable_thinking": False}, False),
    ],
)
def test_thinking(thinking: Any, kwargs: dict[str, Any], shows: bool) -> None:
    ask = read_messages(json.dumps({**BASE, "thinking": thinking, "output_config": {"effort": "high"}}).encode())
    assert (json.loads(ask.body)["chat_template_kwargs"], ask.shows_thinking) == (kwargs, shows)


def test_what_it_stops_at_is_kept_for_the_answer() -> None:
    ask = read_messages(json.dumps({**BASE, "stop_sequences": ["a", "b"]}).encode())
    assert (ask.sequences, ask.wants_stop_word) == (("a", "b"), True)


def test_an_answer_of_a_given_form() -> None:
    body = made(output_config={"format": {"type": "json_schema", "schema": {"type": "object", "x": 1.0}}})
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object", "x": 1.0}


def test_a_count_is_of_the_same_prompt() -> None:
    more = {"system": "S", "tools": [{"name": "f"}], "thinking": {"type": "adaptive"}}
    ask = read_count(json.dumps({**BASE, **more, "max_tokens": None}).encode())
    assert ask.operation is Operation.COUNT_TOKENS
    whole = made(**more)
    assert whole.pop("max_tokens") == 16
    assert json.loads(ask.body) == whole


def test_bytes_of_schemas_and_inputs_stay_as_they_are() -> None:
    body = (
        b'{"model":"m","max_tokens":1,"tools":[{"name":"f","input_schema":{"a": 1.00}}],"messages":['
        b'{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"n": 1.0}}]}]}'
    )
    sent = read_messages(body).body
    assert b'"parameters":{"a": 1.00}' in sent
    assert rb'"arguments":"{\"n\": 1.0}"' in sent


def test_a_word_for_the_billing_is_left_out() -> None:
    billing = {"type": "text", "text": "x-anthropic-billing-header: cch=1;"}
    assert made(system=[billing, {"type": "text", "text": "S"}])["messages"][0]["content"] == "S"
    assert made(system=[billing])["messages"][0]["role"] == "user"


def test_documents_and_pictures_of_tools() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR"}}
    document = {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "D"}}
    inside = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "C"}]}}
    body = made(
        messages=[
            {"role": "user", "content": [document, inside]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [document, picture]}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]},
            {"role": "user", "content": []},
        ]
    )
    asked, result, seen, nothing, empty = body["messages"]
    assert asked == {"role": "user", "content": "T\nD\nC"}
    assert result == {"role": "tool", "tool_call_id": "t", "content": "T\nD"}
    assert [part["type"] for part in seen["content"]] == ["image_url"]
    assert (nothing["role"], nothing["content"], empty) == ("tool", "", {"role": "user", "content": ""})


def test_many_blocks_are_too_many() -> None:
    block = {"type": "text", "text": ""}
    few = [{"role": "user", "content": [block] * (MAX_BLOCKS - 1)}]
    assert made(messages=few)["messages"]
    result = {"type": "tool_result", "tool_use_id": "t", "content": [block] * MAX_BLOCKS}
    for messages in ([{"role": "user", "content": [block] * MAX_BLOCKS}], [{"role": "user", "content": [result]}]):
        with pytest.raises(InvalidRequest, match=str(MAX_BLOCKS)):
            made(messages=messages)
    with pytest.raises(InvalidRequest, match=str(MAX_BLOCKS)):
        made(tools=[{"name": "f"}] * MAX_BLOCKS)


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


def user(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": list(blocks)}]}


PDF = {"type": "base64", "media_type": "application/pdf", "data": ""}


@pytest.mark.parametrize(
    ("more", "parameter", "words"),
    [
        ({"model": ""}, "model", "1 to 256"),
        ({"max_tokens": 0}, "max_tokens", "from 1"),
        ({"max_tokens": "9"}, "max_tokens", "must be int"),
        ({"messages": []}, "messages", "at least one"),
        ({"messages": [{"role": "nobody", "content": ""}]}, "messages[0].role", "nobody"),
        (
            user({"type": "web_search_tool_result"}),
            "messages[0].content[0].type",
            "'web_search_tool_result' is nothing",
        ),
        (user({"type": "document", "source": PDF}), "messages[0].content[0].source.type", "'base64' is nothing"),
        (user({}), "messages[0].content[0].type", "missing"),
        (user({"type": "text"}), "messages[0].content[0].text", "missing"),
        (
            user({"type": "image", "source": {"type": "file"}}),
            "messages[0].content[0].source.type",
            "'file' is nothing",
        ),
        (user({"type": "tool_use", "id": "1", "name": "f"}), "messages[0].content[0]", "'tool_use' has no place"),
        (
            assistant({"type": "tool_result", "tool_use_id": "t"}),
            "messages[0].content[0]",
            "'tool_result' has no place",
        ),
        (
            assistant({"type": "tool_use", "id": "1", "name": "f", "input": []}),
            "messages[0].content[0].input",
            "must be an object",
        ),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type", "web_search_20250305"),
        ({"tools": [{"type": "custom"}]}, "tools[0].name", "required"),
        ({"tools": [{"name": "f", "input_schema": None}]}, "tools[0].input_schema", "must be an object"),
        ({"tools": [{"name": "f"}], "tool_choice": {"type": "tool"}}, "tool_choice.name", "required"),
        ({"system": [{"type": "image"}]}, "system[0].type", "'image'"),
        ({"stop_sequences": ["x"] * 65}, "stop_sequences", "64 at most"),
        ({"stop_sequences": ["x", " "]}, "stop_sequences", "white space"),
        ({"mcp_servers": [{"url": "http://x"}]}, "mcp_servers", "no servers"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": 1}}},
            "output_config.format.schema",
            "must be an object",
        ),
    ],
)
def test_what_cannot_be_told_is_named(more: dict[str, Any], parameter: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        made(**more)
    assert caught.value.parameter == parameter
    assert words in caught.value.message


def test_max_tokens_is_required_and_bodies_are_json() -> None:
    with pytest.raises(InvalidRequest, match="max_tokens"):
        read_messages(b'{"model": "m", "messages": []}')
    with pytest.raises(InvalidJson):
        read_messages(b"{")


@pytest.mark.parametrize(
    "fields",
    [
        b'"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"n":"%b"}}]}]',
        b'"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","input_schema":{"n":"%b"}}]',
        b'"messages":[{"role":"user","content":"%b"}]',
    ],
)
@pytest.mark.parametrize("odd", [b"\xff", rb"\ud83d"])
def test_texts_that_are_none_are_refused_wherever_they_stand(fields: bytes, odd: bytes) -> None:
    body = b'{"model":"m","max_tokens":1,' + fields % odd + b"}"
    with pytest.raises(InvalidJson):
        read_messages(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "content", "x"]), inner)
    ),
    max_leaves=6,
)
BLOCKS = st.lists(
    st.dictionaries(
        st.sampled_from(["text", "source", "thinking", "id", "name", "input", "tool_use_id", "content", "title"]), JSON
    ).flatmap(
        lambda fields: st.sampled_from(
            ["text", "image", "document", "thinking", "redacted_thinking", "tool_use", "tool_result", "?"]
        ).map(lambda kind: {**fields, "type": kind})
    ),
    max_size=3,
)
NAMES = ["messages", "system", "tools", "tool_choice", "thinking", "stop_sequences", "output_config", "max_tokens"]


@given(
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3),
    st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), BLOCKS | st.text(max_size=3)), max_size=3),
)
def test_whatever_comes_is_read_or_refused(odd: dict[str, Any], said: list[tuple[str, Any]]) -> None:
    messages = [{"role": role, "content": content} for role, content in said]
    body = json.dumps({**BASE, "messages": messages, **odd}).encode()
    for read in (read_messages, read_count):
        with contextlib.suppress(InvalidRequest):
            assert isinstance(json.loads(read(body).body), dict)
