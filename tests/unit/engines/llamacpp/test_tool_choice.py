"""A `tool_choice` that names a function."""

import json
from typing import Any

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import InvalidRequest
from remuda.engines.llamacpp.adapter import LlamaCpp
from tests.unit.engines.client import ask_of

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
    ["auto", "none", "required", None, {}, {"type": "allowed_tools"}, {"type": 1}, {"type": "function"}, [], 1],
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
