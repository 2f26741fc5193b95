"""What events of Anthropic's answers tell, and whole messages."""

import pytest

from remuda.core.usage import NO_USAGE, Usage
from remuda.wire.message_events import (
    UNKNOWN_EVENT,
    EventFacts,
    MessageFacts,
    MessageUsage,
    facts_of_event,
    facts_of_message,
)


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (b'{"type":"ping"}', EventFacts()),
        (
            b'{"type":"message_start","message":{"usage":{"input_tokens":5,"output_tokens":1}}}',
            EventFacts(usage=MessageUsage(input_tokens=5, output_tokens=1)),
        ),
        (b'{"type":"message_start"}', EventFacts()),
        (b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}', EventFacts()),
        (
            b'{"type":"content_block_start","content_block":{"type":"tool_use","name":"f","input":{}}}',
            EventFacts(has_content=True),
        ),
        (
            b'{"type":"content_block_delta","delta":{"type":"text_delta","text":"hi"}}',
            EventFacts(has_content=True, text="hi"),
        ),
        (
            b'{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}',
            EventFacts(has_content=True),
        ),
        (
            b'{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":7}}',
            EventFacts(finish_reason="length", usage=MessageUsage(output_tokens=7)),
        ),
        (b'{"type":"message_delta","delta":{"stop_reason":"pause_turn"}}', EventFacts(finish_reason="pause_turn")),
        (b'{"type":"message_stop"}', EventFacts(is_done=True)),
        (b'{"type":"error","error":{"type":"overloaded_error"}}', EventFacts(is_error=True)),
        (b"nonsense", UNKNOWN_EVENT),
        (b'{"type":7}', UNKNOWN_EVENT),
        (b"\xff", UNKNOWN_EVENT),
    ],
)
def test_facts_of_an_event(data: bytes, facts: EventFacts) -> None:
    told = facts_of_event(data)
    assert (told.has_content, told.text, told.finish_reason) == (facts.has_content, facts.text, facts.finish_reason)
    assert (told.usage, told.is_done, told.is_error) == (facts.usage, facts.is_done, facts.is_error)


def test_usage_counts_all_of_the_prompt_and_the_latest_of_each_number() -> None:
    first = MessageUsage(input_tokens=5, cache_creation_input_tokens=2, cache_read_input_tokens=30, output_tokens=1)
    assert first.usage() == Usage(37, 1, 30)
    assert first.with_later(MessageUsage(output_tokens=9)).usage() == Usage(37, 9, 30)
    assert MessageUsage().with_later(first) == first


def test_facts_of_a_whole_message() -> None:
    body = (
        b'{"type":"message","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"a"},'
        b'{"type":"text","text":"b"}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":4}}'
    )
    assert facts_of_message(body) == MessageFacts(Usage(3, 4), "tool_calls", "ab")
    assert facts_of_message(b"{}") == facts_of_message(b"{") == MessageFacts(NO_USAGE)
