"""Answers of engines in Anthropic's words; however they are cut, the same events come out."""

import contextlib
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Operation
from remuda.core.faults import UpstreamFailed
from remuda.dialects.anthropic.answers import HELD_BYTES, CountAnswer, MessageAnswer
from remuda.dialects.anthropic.asks import AnthropicAsk


def answer(*, is_streamed: bool = True, shows_thinking: bool = True, sequences: tuple[str, ...] = ()) -> MessageAnswer:
    ask = AnthropicAsk(
        Operation.CHAT,
        "m",
        is_streamed,
        is_streamed,
        1,
        b"{}",
        shows_thinking=shows_thinking,
        sequences=sequences,
    )
    return MessageAnswer(ask, "msg_1")


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
        "ping",
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        "message_delta",
        "message_stop",
    ]
    assert said[0]["message"] == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
        },
    }
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
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("function_call", "tool_use"),
        ("?", "end_turn"),
    ],
)
def test_why_it_stopped(finish: str, reason: str) -> None:
    made = answer()
    said = events(made.feed(chunk({"content": "x"}, finish)) + made.end())
    assert said[-2]["delta"]["stop_reason"] == reason


def test_an_empty_stream_has_a_beginning_and_an_end() -> None:
    assert [each["type"] for each in events(answer().end())] == [
        "message_start",
        "ping",
        "message_delta",
        "message_stop",
    ]


FAILED = "the model's server failed in the middle of its answer"


def test_an_error_in_the_stream_is_the_last_word() -> None:
    made = answer()
    said = made.feed(
        chunk({"content": "x"}) + b'data: {"error":{"message":"out of memory"}}\n\n' + chunk({"content": "y"})
    )
    *_, last = events(said)
    assert (last["type"], last["error"]["type"], last["error"]["message"]) == (
        "error",
        "api_error",
        f"{FAILED}: out of memory",
    )
    assert "request_id" not in last
    assert events(answer().feed(b'data: {"error":7}\n\n'))[-1]["error"]["message"] == FAILED
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


def types(said: bytes) -> list[str]:
    return [each["type"] for each in events(said)]


def test_done_is_the_end() -> None:
    made = answer()
    said = made.feed(STREAM + chunk({"content": "too late"}))
    assert types(said)[-1] == "message_stop"
    assert made.end() == b""


def test_thoughts_that_nobody_asked_for_are_left_out() -> None:
    said = events(answer(shows_thinking=False).feed(STREAM))
    starts = [each["content_block"]["type"] for each in said if each["type"] == "content_block_start"]
    assert starts == ["text", "tool_use", "tool_use"]
    assert [each["index"] for each in said if each["type"] == "content_block_start"] == [0, 1, 2]
    body = {"choices": [{"message": {"content": "x", "reasoning": "Hm."}, "finish_reason": "stop"}]}
    whole = json.loads(answer(is_streamed=False, shows_thinking=False).whole(json.dumps(body).encode()))
    assert whole["content"] == [{"type": "text", "text": "x"}]


def test_a_refusal_is_said_in_text() -> None:
    said = events(answer().feed(chunk({"refusal": "No."}, "content_filter") + b"data: [DONE]\n\n"))
    assert [each["delta"] for each in said if each["type"] == "content_block_delta"] == [
        {"type": "text_delta", "text": "No."}
    ]


@pytest.mark.parametrize(
    ("of_choice", "beside"), [({"stop_reason": "END"}, {}), ({}, {"__verbose": {"stopping_word": "END"}})]
)
@pytest.mark.parametrize(
    ("finish", "sequences", "wanted"),
    [
        ("stop", ("X", "END"), ("stop_sequence", "END")),
        ("stop", ("X",), ("end_turn", None)),
        ("length", ("END",), ("max_tokens", None)),
    ],
)
def test_the_sequence_that_ended_it_is_told_where_the_engine_tells(
    of_choice: dict[str, Any],
    beside: dict[str, Any],
    finish: str,
    sequences: tuple[str, ...],
    wanted: tuple[str, str | None],
) -> None:
    choice = {"finish_reason": finish, **of_choice}
    last = json.dumps({"choices": [{**choice, "delta": {"content": "x"}}], **beside}).encode()
    said = events(answer(sequences=sequences).feed(b"data: " + last + b"\n\ndata: [DONE]\n\n"))
    assert (said[-2]["delta"]["stop_reason"], said[-2]["delta"]["stop_sequence"]) == wanted
    whole = {"choices": [{**choice, "message": {"content": "x"}}], **beside}
    made = json.loads(answer(is_streamed=False, sequences=sequences).whole(json.dumps(whole).encode()))
    assert (made["stop_reason"], made["stop_sequence"]) == wanted


@pytest.mark.parametrize("odd", [7, None, ["END"], {}])
def test_an_odd_stop_reason_is_none(odd: Any) -> None:
    body = {"choices": [{"finish_reason": "stop", "message": {"content": "x"}, "stop_reason": odd}], "__verbose": odd}
    made = json.loads(answer(is_streamed=False, sequences=("END",)).whole(json.dumps(body).encode()))
    assert (made["stop_reason"], made["stop_sequence"]) == ("end_turn", None)


def test_calls_that_all_have_the_same_number_are_told_by_their_ids() -> None:
    pieces = [
        {"tool_calls": [{"index": 0, "id": name, "function": {"name": name, "arguments": "{}"}}]} for name in ("a", "b")
    ]
    said = events(answer().feed(b"".join(map(chunk, pieces)) + chunk({}, "stop") + b"data: [DONE]\n\n"))
    assert [each["content_block"]["name"] for each in said if each["type"] == "content_block_start"] == ["a", "b"]
    assert said[-2]["delta"]["stop_reason"] == "tool_use"


def test_calls_without_ids_get_some_and_need_no_input() -> None:
    pieces = [{"tool_calls": [{"index": number, "function": {"name": "f"}}]} for number in (0, 1)]
    said = events(answer().feed(b"".join(map(chunk, pieces)) + chunk({}, "tool_calls") + b"data: [DONE]\n\n"))
    ids = [each["content_block"]["id"] for each in said if each["type"] == "content_block_start"]
    assert ids == ["toolu_1_1", "toolu_1_2"]
    assert said[-1]["type"] == "message_stop"


@pytest.mark.parametrize("arguments", ["[1]", '{"a":', "nonsense"])
def test_an_input_that_is_no_object_is_no_answer(arguments: str) -> None:
    made = answer()
    made.feed(chunk(call(0, name="f", arguments=arguments)))
    with pytest.raises(UpstreamFailed, match="no JSON object"):
        made.feed(chunk({}, "tool_calls") + b"data: [DONE]\n\n")
    assert made.end() == b""


def test_an_input_that_was_cut_off_for_its_length_is_told_as_such() -> None:
    cut = chunk(call(0, name="f", arguments='{"a":')) + chunk({}, "length") + b"data: [DONE]\n\n"
    said = events(answer().feed(cut))
    assert said[-2]["delta"]["stop_reason"] == "max_tokens"
    message = {"content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{"a":'}}]}
    body = {"choices": [{"message": message, "finish_reason": "length"}]}
    whole = json.loads(answer(is_streamed=False).whole(json.dumps(body).encode()))
    assert (whole["content"], whole["stop_reason"]) == ([], "max_tokens")


def test_inputs_and_names_have_bounds() -> None:
    made = answer()
    piece = "x" * (HELD_BYTES // 4)
    for _ in range(4):
        made.feed(chunk(call(0, name="f", arguments=piece)))
    with pytest.raises(UpstreamFailed, match="more than this gateway holds"):
        made.feed(chunk(call(0, arguments=piece)))
    with pytest.raises(UpstreamFailed, match="without a name"):
        answer().feed(chunk(call(0, arguments="{}")))


def test_a_count() -> None:
    assert CountAnswer().whole(b'{"input_tokens":26,"object":"response.input_tokens"}') == b'{"input_tokens":26}'
    assert CountAnswer().feed(b"x") + CountAnswer().end() == b""
    for body in (b"{", b"{}", b'{"input_tokens":"many"}'):
        with pytest.raises(UpstreamFailed):
            CountAnswer().whole(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "usage",
                    "error",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=4))
def test_whatever_comes_is_said_or_a_fault(chunks: list[Any]) -> None:
    made = answer()
    said = b""
    with contextlib.suppress(UpstreamFailed):
        for each in chunks:
            said += made.feed(b"data: " + json.dumps(each).encode() + b"\n\n")
        said += made.end()
    kinds = [each["type"] for each in events(said)]
    assert kinds.count("message_start") == ("message_start" in kinds)
    assert kinds.count("content_block_start") - kinds.count("content_block_stop") in (0, 1)
    for each in chunks:
        with contextlib.suppress(UpstreamFailed):
            json.loads(answer(is_streamed=False).whole(json.dumps(each).encode()))
