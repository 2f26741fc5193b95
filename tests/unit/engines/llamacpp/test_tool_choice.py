"""A `tool_choice` that llama.cpp does not understand as OpenAI's clients mean it."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Operation
from remuda.core.faults import InvalidRequest
from remuda.engines.children.process import Child
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.llamacpp.tool_choice import CallsAlone
from remuda.testing.answers import event
from remuda.wire.fold import fold_for
from tests.unit.engines.client import ask_of, send

A: Any = {"type": "function", "function": {"name": "a", "parameters": {}}}
B: Any = {"type": "function", "function": {"name": "b", "parameters": {"type": "object", "x": 1e2}}}
FLAT: Any = {"type": "function", "name": "b", "parameters": {}}


def sent(operation: Operation = Operation.CHAT, **fields: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [], **fields}
    told: dict[str, Any] = json.loads(LlamaCpp().outgoing(ask_of(operation, body), "m").body)
    return told


def test_the_one_named_is_offered_alone_and_required() -> None:
    told = sent(tools=[A, B], tool_choice={"type": "function", "function": {"name": "b"}})
    assert (told["tools"], told["tool_choice"]) == ([B], "required")
    told = sent(Operation.RESPONSE, tools=[FLAT, {"type": "web_search"}], tool_choice={"type": "function", "name": "b"})
    assert (told["tools"], told["tool_choice"]) == ([FLAT], "required")


@pytest.mark.parametrize(
    "choice",
    ["auto", "required", None, {}, {"type": "allowed_tools"}, {"type": 1}, {"type": "function"}, [], 1],
)
def test_other_choices_are_left_as_they_are(choice: Any) -> None:
    told = sent(tools=[A, B], tool_choice=choice)
    assert (told["tools"], told["tool_choice"]) == ([A, B], choice)


def test_tools_that_are_none_are_the_engines_to_complain_of() -> None:
    choice = {"type": "function", "function": {"name": "b"}}
    assert sent(tools="b", tool_choice=choice)["tools"] == "b"


@pytest.mark.parametrize("tools", [{"tools": [A]}, {"tools": []}, {}], ids=["another", "none", "no field"])
def test_one_that_is_not_offered_is_refused(tools: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="'b', which is not among the tools") as caught:
        sent(**tools, tool_choice={"type": "function", "function": {"name": "b"}})
    assert caught.value.parameter == "tool_choice"


def test_none_leaves_the_tools_out_of_the_prompt() -> None:
    assert (sent(tools=[A, B], tool_choice="none")["tools"], sent(tool_choice="none").get("tools")) == ([], None)
    assert sent(Operation.RESPONSE, tools=[FLAT], tool_choice="none")["tools"] == []
    assert sent(tools="b", tool_choice="none")["tools"] == "b"


# What is said before a call that must come


def text(content: str | None, index: int = 0, finish: str | None = None) -> bytes:
    return event({"choices": [{"index": index, "delta": {"content": content}, "finish_reason": finish}]})


def call(arguments: str, index: int = 0) -> bytes:
    piece = {"index": 0, "function": {"arguments": arguments}}
    return event({"choices": [{"index": index, "delta": {"tool_calls": [piece]}, "finish_reason": None}]})


END = text(None, finish="tool_calls")
USAGE = event({"choices": [], "usage": {"prompt_tokens": 1}})
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("stream", "kept"),
    [
        (
            [text(None), text("so"), text("me"), call("{"), call("}"), text("more"), END, USAGE, DONE],
            [0, 3, 4, 6, 7, 8],
        ),
        ([text(None), text("some"), text(None, finish="length"), DONE], [0, 1, 2, 3]),
        ([text("a", 0), text("b", 1), call("{}", 1), text(None, 0, "stop")], [2, 0, 3]),
        ([event({"error": {"message": "x"}}), event({"prompt_progress": {}}), b"data: null\n\n"], [0, 1, 2]),
        ([text("a"), b"data: {non"], [0, 1]),
    ],
)
def test_only_the_call_is_the_answer_where_there_is_one(stream: list[bytes], kept: list[int]) -> None:
    made = CallsAlone()
    assert made.feed(b"".join(stream)) + made.end() == b"".join(stream[at] for at in kept)


@given(cuts=st.lists(st.integers(0, 900), max_size=9))
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    stream = b"".join([text(None), text("so"), text("b", 1), call("{"), call("}"), END, USAGE, DONE])
    made, whole = CallsAlone(), CallsAlone()
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    out = b"".join(made.feed(stream[a:b]) for a, b in pairwise(places)) + made.end()
    assert out == whole.feed(stream) + whole.end()


@pytest.mark.engine
async def test_a_call_that_is_required_comes_alone(chat_engine: Child) -> None:
    """At some temperature the model talks before it calls, which the engine lets it do."""
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    asked = {"messages": [{"role": "user", "content": "Tell me a story."}], "tools": [tool], "tool_choice": "required"}
    talked = 0
    for seed in range(40):
        ask = ask_of(Operation.CHAT, {**asked, "seed": seed, "temperature": 3, "max_tokens": 120})
        outgoing = LlamaCpp().outgoing(ask, "m")
        assert outgoing.translate is not None
        answer, made, fold = await send(chat_engine, outgoing), outgoing.translate(), fold_for(ask)
        fold.feed(made.feed(answer.body) + made.end())
        (choice,) = json.loads(fold.result()[0])["choices"]
        if choice["message"].get("tool_calls"):
            assert choice["message"]["content"] is None
            deltas = [part["delta"] for event in answer.events for part in event.get("choices", ())]
            talked += any(delta.get("content") for delta in deltas)
        else:
            assert choice["message"]["content"]
    assert talked, "the engine no longer lets a model talk before a call: this translation can go"
