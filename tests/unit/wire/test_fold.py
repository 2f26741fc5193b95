"""A stream becomes the answer the engine itself would have sent, whatever way its bytes are split."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.ask import Ask, Operation
from remuda.core.faults import Fault, UpstreamFailed
from remuda.wire.fold import fold_for
from remuda.wire.sse import event_of

HEAD = {"id": "c1", "created": 5, "model": "m"}


def ask(operation: Operation = Operation.CHAT, choices: int = 1) -> Ask:
    return Ask(operation, "m", False, False, choices, b"{}")


def stream(*chunks: dict[str, Any]) -> bytes:
    return b"".join(event_of(json.dumps(chunk).encode()) for chunk in chunks) + b"data: [DONE]\n\n"


def part(delta: dict[str, Any], index: int = 0, finish: str | None = None) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


CHAT = stream(
    part({"role": "assistant", "content": None}),
    part({"reasoning_content": "hm"}),
    part({"content": "Hel"}),
    part({"content": "lo ü"}),
    part({"tool_calls": [{"index": 0, "id": "t1", "function": {"name": "f", "arguments": "{"}}]}),
    part({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
    part({}, finish="tool_calls"),
    {**HEAD, "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}},
)


@given(st.lists(st.integers(0, len(CHAT)), max_size=8))
def test_any_split_gives_the_same_answer(cuts: list[int]):
    places = sorted({*cuts, 0, len(CHAT)})
    fold = fold_for(ask())
    for a, b in pairwise(places):
        fold.feed(CHAT[a:b])
    body, usage, finish = fold.result()
    [choice] = json.loads(body)["choices"]
    assert fold.is_complete
    assert fold.has_content
    assert (choice["message"]["content"], choice["message"]["reasoning_content"]) == ("Hello ü", "hm")
    assert choice["message"]["tool_calls"] == [
        {"type": "function", "function": {"name": "f", "arguments": "{}"}, "id": "t1"}
    ]
    assert (choice["finish_reason"], finish) == ("tool_calls", "tool_calls")
    assert (usage.prompt_tokens, usage.completion_tokens) == (7, 3)


def test_choices_come_in_their_order():
    fold = fold_for(ask(choices=2))
    fold.feed(stream(part({"content": "b"}, 1), part({"content": "a"}, 0), part({}, 1, "stop"), part({}, 0, "length")))
    body, _, finish = fold.result()
    answer = json.loads(body)
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["a", "b"]
    assert (answer["object"], finish) == ("chat.completion", "length")


def test_a_text_completion():
    fold = fold_for(ask(Operation.COMPLETION))
    fold.feed(stream({**HEAD, "choices": [{"index": 0, "text": "once"}]}))
    answer = json.loads(fold.result()[0])
    assert (answer["object"], answer["choices"][0]["text"]) == ("text_completion", "once")


def test_a_response_is_its_last_event():
    fold = fold_for(ask(Operation.RESPONSE))
    fold.feed(event_of(b'{"type":"response.output_text.delta","delta":"x"}'))
    assert fold.has_content
    assert not fold.is_complete
    fold.feed(event_of(b'{"type":"response.completed","response":{"id":"r1","usage":{"input_tokens":2}}}'))
    body, usage, finish = fold.result()
    assert (json.loads(body)["id"], usage.prompt_tokens, finish) == ("r1", 2, "stop")


def test_a_response_that_never_came_is_a_fault():
    with pytest.raises(Fault):
        fold_for(ask(Operation.RESPONSE)).result()


@pytest.mark.parametrize("operation", [Operation.CHAT, Operation.RESPONSE])
def test_an_error_in_the_stream_is_a_fault(operation: Operation):
    with pytest.raises(UpstreamFailed, match="out of memory"):
        fold_for(ask(operation)).feed(event_of(b'{"error":{"message":"out of memory"}}'))


def test_a_stream_without_its_end_is_not_complete():
    fold = fold_for(ask())
    fold.feed(CHAT.removesuffix(b"data: [DONE]\n\n"))
    assert not fold.is_complete
