"""`openai`'s client: tools, and answers of a given structure."""

import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessage
from pydantic import BaseModel

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("compat")]

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
QUESTION: Any = {"role": "user", "content": "What is the weather in Rome?"}
ASK: dict[str, Any] = {
    "model": "remuda-tiny",
    "messages": [QUESTION],
    "tools": [WEATHER],
    "temperature": 0,
    "max_tokens": 100,
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


class Person(BaseModel):
    """What the client parses an answer into."""

    name: str
    age: int


def called(message: ChatCompletionMessage) -> list[tuple[str, set[str]]]:
    """Names of the functions called, and of their arguments."""
    calls = [call.function for call in message.tool_calls or () if call.type == "function"]
    return [(call.name, set(json.loads(call.arguments))) for call in calls]


def test_the_loop_of_call_result_and_answer(client: openai.OpenAI) -> None:
    (choice,) = client.chat.completions.create(**ASK).choices
    assert choice.finish_reason == "tool_calls"
    assert called(choice.message) == [("get_weather", {"city"})]
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
    answer = client.chat.completions.create(**{**ASK, "messages": [QUESTION, choice.message, result]})
    assert answer.choices[0].message.content
    assert not answer.choices[0].message.tool_calls


def test_the_shipped_model_uses_what_the_tool_found(client: openai.OpenAI) -> None:
    message = client.chat.completions.create(**ASK).choices[0].message
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"city": "Rome"}
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
    answer = client.chat.completions.create(**{**ASK, "messages": [QUESTION, message, result]})
    assert answer.choices[0].finish_reason == "stop"
    assert "21 degrees" in (answer.choices[0].message.content or "")
    hello = client.chat.completions.create(**{**ASK, "messages": [{"role": "user", "content": "Hello"}]})
    assert hello.choices[0].message.tool_calls is None


def test_a_streamed_call_comes_in_pieces_that_add_up(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**ASK).choices[0].message
    assert whole.tool_calls is not None
    assert whole.tool_calls[0].type == "function"
    names, arguments, ids, finishes = [], [], [], []
    for chunk in client.chat.completions.create(**ASK, stream=True):
        for choice in chunk.choices:
            finishes += [choice.finish_reason] if choice.finish_reason else []
            assert not choice.delta.content
            for piece in choice.delta.tool_calls or ():
                assert piece.index == 0
                ids += [piece.id] if piece.id else []
                assert piece.function is not None
                names += [piece.function.name] if piece.function.name else []
                arguments.append(piece.function.arguments or "")
    assert names == ["get_weather"]
    assert "".join(arguments) == whole.tool_calls[0].function.arguments
    assert len(arguments) > 1
    assert len(ids) == 1
    assert finishes == ["tool_calls"]


def test_the_clients_own_stream_helper_puts_a_call_together(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(**ASK) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.delta" in kinds
    assert called(final.choices[0].message) == [("get_weather", {"city"})]


def test_a_tool_may_be_required_named_or_forbidden(client: openai.OpenAI) -> None:
    other: Any = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}
    named: Any = {"type": "function", "function": {"name": "get_weather"}}
    for asked in ({"tool_choice": "required"}, {"tool_choice": named, "tools": [other, WEATHER]}):
        message = client.chat.completions.create(**{**ASK, **asked}).choices[0].message
        assert [name for name, _ in called(message)] == ["get_weather"]
    message = client.chat.completions.create(**ASK, tool_choice="none").choices[0].message
    assert not message.tool_calls
    assert message.content
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{**ASK, "tools": [other], "tool_choice": named})
    assert caught.value.param == "tool_choice"


def test_an_answer_that_is_an_object(client: openai.OpenAI) -> None:
    asked = {**ASK, "messages": [{"role": "user", "content": "Describe a llama as JSON."}], "tools": openai.NOT_GIVEN}
    (choice,) = client.chat.completions.create(**asked, response_format={"type": "json_object"}).choices
    assert choice.finish_reason == "stop"
    assert isinstance(json.loads(choice.message.content or ""), dict)


def test_an_answer_by_a_schema(client: openai.OpenAI) -> None:
    asked = {**ASK, "messages": [{"role": "user", "content": "Describe a llama as JSON."}], "tools": openai.NOT_GIVEN}
    schema: Any = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    (choice,) = client.chat.completions.create(**asked, response_format=schema).choices
    assert choice.finish_reason == "stop"
    whole = Person.model_validate_json(choice.message.content or "")
    chunks = client.chat.completions.create(**asked, response_format=schema, stream=True)
    streamed = "".join(part.delta.content or "" for chunk in chunks for part in chunk.choices)
    assert Person.model_validate_json(streamed) == whole
    parsed = client.chat.completions.parse(**asked, response_format=Person).choices[0].message.parsed
    assert isinstance(parsed, Person)
    with client.chat.completions.stream(**asked, response_format=Person) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == parsed


def test_a_schema_that_is_none_is_the_clients_fault(client: openai.OpenAI) -> None:
    schema: Any = {"type": "json_schema", "json_schema": {"name": "person", "schema": {"type": "wat"}}}
    for is_streamed in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(
                model="remuda-tiny", messages=[QUESTION], response_format=schema, stream=is_streamed
            )
        assert "JSON schema error" in caught.value.message
