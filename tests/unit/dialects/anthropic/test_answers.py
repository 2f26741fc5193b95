"""Answers of engines in Anthropic's words; however they are cut, the same events come out."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Ask, Operation
from remuda.core.faults import UpstreamFailed
from remuda.dialects.anthropic.answers import HELD_BYTES, MessagesAnswer


def answer(*, is_streamed: bool = True) -> MessagesAnswer:
    return MessagesAnswer(Ask(Operation.CHAT, "m", is_streamed, is_streamed, 1, b"{}"), "msg_1")


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


def call(index: int, **function: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]}


USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}}
STREAM = b"".join(
    (
        chunk({"role": "assistant", "content": None}),
        chunk({"reasoning_content": "Hm"}),
        chunk({"reasoning_content": "m."}),
        chunk({"content": "I "}),
        chunk({"content": "look."}),
        chunk(call(0, name="look", arguments="")),
        chunk(call(0, arguments='{"at"')),
        chunk(call(0, arguments=":1}")),
        chunk(call(1, name="go", arguments="{}")),
        chunk({}, "tool_calls"),
        b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n",
        b"data: [DONE]\n\n",
    )
)


def events(said: bytes) -> list[dict[str, Any]]:
    made = []
    for event in said.split(b"\n\n")[:-1]:
        kind, _, data = event.partition(b"\n")
        value = json.loads(data.removeprefix(b"data: "))
        assert kind == b"event: " + value["type"].encode()
        made.append(value)
    return made


def test_a_stream_with_all_kinds_of_blocks() -> None:
    made = answer()
    said = events(made.feed(STREAM) + made.end())
    assert [each["type"] for each in said] == [
        "message_start",
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        "message_delta",
        "message_stop",
    ]
    starts = [each["content_block"] for each in said if each["type"] == "content_block_start"]
    assert [start["type"] for start in starts] == ["thinking", "text", "tool_use", "tool_use"]
    assert [(start["id"], start["name"], start["input"]) for start in starts[2:]] == [
        ("c0", "look", {}),
        ("c1", "go", {}),
    ]
    pieces = [each["delta"].get("partial_json", "") for each in said if each["type"] == "content_block_delta"]
    assert "".join(pieces) == '{"at":1}{}'
    assert [each["index"] for each in said if "index" in each] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 3
    assert said[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert said[-2]["usage"] == {
        "input_tokens": 4,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 0,
        "output_tokens": 4,
    }
    assert made.end() == b""


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split_says_the_same(cuts: list[int]) -> None:
    whole, pieces = answer(), answer()
    places = [0, *sorted(cuts), len(STREAM)]
    said = b"".join(pieces.feed(STREAM[a:b]) for a, b in pairwise(places))
    assert said + pieces.end() == whole.feed(STREAM) + whole.end()


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal"), ("?", "end_turn")],
)
def test_why_it_stopped(finish: str, reason: str) -> None:
    made = answer()
    said = events(made.feed(chunk({"content": "x"}, finish)) + made.end())
    assert said[-2]["delta"]["stop_reason"] == reason


def test_an_empty_stream_has_a_beginning_and_an_end() -> None:
    assert [each["type"] for each in events(answer().end())] == ["message_start", "message_delta", "message_stop"]


def test_an_error_in_the_stream_is_the_last_word() -> None:
    made = answer()
    said = made.feed(
        chunk({"content": "x"}) + b'data: {"error":{"message":"out of memory"}}\n\n' + chunk({"content": "y"})
    )
    *_, last = events(said)
    assert (last["type"], last["error"]["type"], last["error"]["message"]) == ("error", "api_error", "out of memory")
    assert made.end() == b""


@pytest.mark.parametrize("data", [b"data: {\n\n", b"data: [1]\n\n", b"data: " + b"x" * (HELD_BYTES + 1)])
def test_nonsense_is_no_answer(data: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        answer().feed(data)


def test_a_whole_answer() -> None:
    message = {
        "content": "I look.",
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "c0", "type": "function", "function": {"name": "look", "arguments": '{"at":1.0}'}}],
    }
    body = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": USAGE}
    said = answer(is_streamed=False).whole(json.dumps(body).encode())
    assert b'"input":{"at":1.0}' in said
    made = json.loads(said)
    assert (made["type"], made["role"], made["model"], made["stop_reason"]) == ("message", "assistant", "m", "tool_use")
    assert [block["type"] for block in made["content"]] == ["thinking", "text", "tool_use"]
    assert made["usage"]["output_tokens"] == 4


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"choices":[]}',
        b'{"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":"[1]"}}]}}]}',
    ],
)
def test_a_whole_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        answer(is_streamed=False).whole(body)
