"""What the fake says as a server of Anthropic's API has the shapes that Anthropic's own client reads."""

import json
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from remuda.testing import answers_anthropic
from remuda.testing.answers import Kind
from remuda.testing.behaviour import Behaviour

CALM = Behaviour(tokens=3)
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "a b"}]}


def test_a_whole_message() -> None:
    [part] = answers_anthropic.messages(1, ASK, CALM).parts
    message = Message.model_validate_json(part.data)
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("end_turn", 2, 3)


@pytest.mark.parametrize(("bound", "reason"), [(2, "max_tokens"), (9, "end_turn")])
def test_a_stream(bound: int, reason: str) -> None:
    made = answers_anthropic.messages(1, {**ASK, "stream": True, "max_tokens": bound}, CALM)
    adapter: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
    said = [adapter.validate_json(part.data.partition(b"data: ")[2]) for part in made.parts]
    assert [event.type for event in said][:2] == ["message_start", "content_block_start"]
    assert sum(part.kind is Kind.CONTENT for part in made.parts) == min(bound, 3)
    ends = [event for event in said if event.type == "message_delta"]
    assert [event.delta.stop_reason for event in ends] == [reason]
    assert json.loads(made.failure.partition(b"data: ")[2])["type"] == "error"


def test_errors() -> None:
    [part] = answers_anthropic.error(503, "busy").parts
    assert json.loads(part.data) == {"type": "error", "error": {"type": "api_error", "message": "busy"}}
