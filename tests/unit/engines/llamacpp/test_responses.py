"""llama.cpp's responses as OpenAI's clients expect them."""

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from remuda.core.ask import Operation
from remuda.core.faults import Fault, InvalidRequest, NotOffered
from remuda.engines.body import fields_of
from remuda.engines.children.process import Child
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.llamacpp.responses import ResponseEvents, checked, translation_for
from remuda.engines.protocol import Outgoing
from remuda.testing import answers
from remuda.testing.behaviour import Behaviour
from remuda.wire.sse import EventSplitter, data_of
from tests.unit.engines.client import ask_of, send

TOOL: Any = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {"city": {}}}}
ASK: dict[str, Any] = {"model": "m", "input": "Count from 3 to 9.", "temperature": 0}
SCHEMA = {
    "type": "object",
    "properties": {"zebra": {"type": "boolean"}},
    "required": ["zebra"],
    "additionalProperties": False,
}
TYPED: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def translator(*, shows_progress: bool = False, **fields: Any) -> ResponseEvents:
    body = json.dumps({**ASK, **fields}, indent=1).encode()
    return translation_for(fields_of(body), "m", 77, shows_progress=shows_progress)()


def bare(tokens: int = 3) -> bytes:
    answer = answers.responses(7, {"model": "m", "input": "a b"} | {"stream": True}, BARE.changed({"tokens": tokens}))
    return b"".join(part.data for part in answer.parts)


BARE = Behaviour(bare_responses=True)


def events(stream: bytes) -> list[dict[str, Any]]:
    return [json.loads(data) for event in EventSplitter().feed(stream) if (data := data_of(event))]


def translated(stream: bytes, **fields: Any) -> list[dict[str, Any]]:
    made = translator(**fields)
    return events(made.feed(stream) + made.end())


def assert_sound(found: list[dict[str, Any]]) -> None:
    """What every stream of events has: numbers in order, and all that OpenAI's own types ask for."""
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    for event in found:
        TYPED.validate_python(event)


# Events


def test_events_are_numbered_and_say_where_they_belong() -> None:
    found = translated(bare())
    assert_sound(found)
    assert [event["type"].removeprefix("response.") for event in found] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * 3,
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert {event["output_index"] for event in found[2:-1]} == {0}
    assert not any("prompt_progress" in event or "timings" in event for event in found)
    created, completed = found[0]["response"], found[-1]["response"]
    assert (created["model"], created["created_at"], created["output"]) == ("m", 77, [])
    assert (completed["status"], completed["created_at"]) == ("completed", 77)


def test_a_response_repeats_what_was_asked() -> None:
    asked = {"instructions": "Be\nbrief.", "metadata": {"a": "b"}, "tools": [TOOL], "top_p": 0.5, "text": None}
    for event in (translated(bare(), **asked)[at] for at in (0, -1)):
        told = event["response"]
        assert {name: told[name] for name in asked} == {**asked, "text": {"format": {"type": "text"}}}
        assert "input" not in told


def test_progress_is_shown_to_who_asked_for_it() -> None:
    found = translated(bare(), shows_progress=True)
    assert [event["prompt_progress"]["processed"] for event in found if "prompt_progress" in event] == [0, 2]
    assert_sound(found)


@pytest.mark.parametrize(("limit", "status"), [(None, "completed"), (4, "completed"), (-1, "completed")])
def test_an_answer_within_its_bound_is_complete(limit: int | None, status: str) -> None:
    assert translated(bare(3), max_output_tokens=limit)[-1]["response"]["status"] == status


@pytest.mark.parametrize("limit", [3, 2, 0])
def test_an_answer_that_was_cut_says_so(limit: int) -> None:
    found = translated(bare(3), max_output_tokens=limit)
    assert_sound(found)
    last = found[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["status"] == "incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"][-1]["status"] == "incomplete"
    assert found[-2]["item"]["status"] == "incomplete"


def test_calls_and_thoughts_are_closed() -> None:
    thought = {"id": "rs", "summary": [], "type": "reasoning", "content": [{"text": "hm", "type": "reasoning_text"}]}
    call = {"id": "fc", "type": "function_call", "arguments": "{}", "call_id": "c", "name": "f", "status": "completed"}
    stream = b"".join(
        answers.event({"type": f"response.{name}", **fields})
        for name, fields in (
            ("output_item.added", {"item": {**thought, "content": [], "status": "in_progress"}}),
            ("reasoning_text.delta", {"item_id": "rs", "delta": "hm"}),
            ("output_item.added", {"item": {**call, "arguments": "", "status": "in_progress"}}),
            ("function_call_arguments.delta", {"item_id": "fc", "delta": "{}"}),
            ("output_item.done", {"item": thought}),
            ("output_item.done", {"item": call}),
        )
    )
    found = translated(stream)
    assert_sound(found)
    assert [(event["type"].removeprefix("response."), event["output_index"]) for event in found] == [
        ("output_item.added", 0),
        ("reasoning_text.delta", 0),
        ("output_item.added", 1),
        ("function_call_arguments.delta", 1),
        ("reasoning_text.done", 0),
        ("output_item.done", 0),
        ("function_call_arguments.done", 1),
        ("output_item.done", 1),
    ]
    assert (found[4]["text"], found[6]["arguments"]) == ("hm", "{}")


def test_an_engine_that_says_more_is_not_contradicted() -> None:
    stream = answers.event({"type": "response.output_text.delta", "item_id": "x", "delta": "a", "output_index": 4})
    done = {"type": "response.function_call_arguments.done", "item_id": "fc", "arguments": "{}", "name": "f"}
    item = {"type": "response.output_item.done", "item": {"type": "function_call", "id": "fc", "arguments": "{}"}}
    found = translated(stream + answers.event(done) + answers.event(item))
    assert found[0]["output_index"] == 4
    assert [event["type"] for event in found[1:]] == [done["type"], item["type"]]


@pytest.mark.parametrize(
    "event",
    [
        b": a comment\n\n",
        b"data: [DONE]\n\n",
        b"data: {nonsense\n\n",
        b"data: 5\n\n",
        b'data: {"error":{"message":"out of memory"}}\n\n',
        b'data: {"type":7}\n\n',
    ],
)
def test_what_is_not_understood_passes_unchanged(event: bytes) -> None:
    made = translator()
    assert made.feed(event) == event
    assert made.feed(event[:5]) == b""
    assert made.end() == event[:5]


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type", "content"]), inner),
    max_leaves=5,
)
KINDS = ["created", "in_progress", "output_item.added", "output_item.done", "content_part.added", "completed", "odd"]


@given(
    chunks=st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.dictionaries(st.sampled_from(["item", "response", "part", "item_id", "usage"]), ODD),
        ),
        max_size=5,
    )
)
def test_nothing_is_raised_whatever_the_engine_says(chunks: list[tuple[str, dict[str, Any]]]) -> None:
    stream = b"".join(answers.event({"type": f"response.{kind}", **fields}) for kind, fields in chunks)
    for event in translated(stream, max_output_tokens=1):
        assert "sequence_number" in event


@given(cuts=st.lists(st.integers(0, 4000), max_size=9))
def test_any_split_gives_the_same_events(cuts: list[int]) -> None:
    stream = bare()
    made = translator()
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    out = b"".join(made.feed(stream[a:b]) for a, b in pairwise(places)) + made.end()
    whole = translator()
    assert out == whole.feed(stream) + whole.end()


# Fields


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, None),
        ({"text": None}, None),
        ({"text": {"verbosity": "low"}}, None),
        ({"text": {"format": None}}, None),
        ({"text": {"format": {"type": "text"}}}, None),
        ({"text": {"format": {"type": "json_object"}}}, {"type": "json_object"}),
        (
            {"text": {"format": {"type": "json_schema", "name": "p", "strict": True, "schema": SCHEMA}}},
            {"type": "json_schema", "json_schema": {"name": "p", "strict": True, "schema": SCHEMA}},
        ),
        ({"text": {"format": {"type": "json_object"}}, "response_format": {"type": "text"}}, None),
        ({"background": False, "conversation": None}, None),
        ({"n": 1}, None),
        ({"n": None}, None),
    ],
)
def test_a_format_is_said_in_the_engines_words(fields: dict[str, Any], wanted: Any) -> None:
    found = checked(fields_of(json.dumps({**ASK, **fields}).encode()))
    assert {name: json.loads(value) for name, value in found.items()} == (
        {} if wanted is None else {"response_format": wanted}
    )


@pytest.mark.parametrize(
    ("fields", "fault", "parameter"),
    [
        ({"background": True}, NotOffered, "background"),
        ({"conversation": "c"}, NotOffered, "conversation"),
        ({"n": 2}, InvalidRequest, "n"),
        ({"n": "two"}, InvalidRequest, "n"),
        ({"text": 5}, InvalidRequest, "text"),
        ({"text": {"format": {"type": 5}}}, InvalidRequest, "text"),
        ({"text": {"format": {"type": "grammar"}}}, InvalidRequest, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "p"}}}, InvalidRequest, "text.format.schema"),
    ],
)
def test_what_the_engine_would_pass_over_is_refused(fields: dict[str, Any], fault: type[Fault], parameter: str) -> None:
    with pytest.raises(fault) as caught:
        checked(fields_of(json.dumps({**ASK, **fields}).encode()))
    assert type(caught.value) is fault
    assert caught.value.parameter == parameter


# The engine itself


def outgoing(**fields: Any) -> Outgoing:
    return LlamaCpp().outgoing(ask_of(Operation.RESPONSE, {**ASK, **fields}, is_streamed=True), "m")


def shapes(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Which fields each type of event has, down to the leaves."""

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: shape(inner) for name, inner in sorted(value.items()) if name not in ("timings", "time_ms")}
        return [shape(inner) for inner in value] if isinstance(value, list) else "…"

    return {event["type"]: shape(event) for event in found}


@pytest.mark.engine
async def test_the_fake_is_as_bare_as_the_engine(chat_engine: Child) -> None:
    found = shapes((await send(chat_engine, outgoing())).events)
    assert found == shapes(events(bare()))


@pytest.mark.engine
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"max_output_tokens": 2},
        {"input": "What is the weather in Rome?", "tools": [TOOL]},
        {"input": "What is 2+3? Think first.", "chat_template_kwargs": {"enable_thinking": True}},
        {"text": {"format": {"type": "json_schema", "name": "z", "schema": SCHEMA, "strict": True}}},
    ],
)
async def test_what_the_engine_says_becomes_what_openai_says(chat_engine: Child, fields: dict[str, Any]) -> None:
    asked = outgoing(**fields)
    assert asked.translate is not None
    made = asked.translate()
    assert_sound(events(made.feed((await send(chat_engine, asked)).body) + made.end()))


@pytest.mark.engine
async def test_the_engine_keeps_to_the_schema(chat_engine: Child) -> None:
    wanted = {"type": "json_schema", "name": "z", "schema": SCHEMA, "strict": True}
    asked = outgoing(input="Describe a llama as JSON.", text={"format": wanted})
    found = (await send(chat_engine, asked)).events[-1]["response"]
    assert msgspec.json.decode(found["output"][0]["content"][0]["text"]).keys() == {"zebra"}
