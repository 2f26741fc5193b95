"""What the journal learns from answers, whole or in pieces."""

import pytest

from remuda.core.usage import NO_USAGE, Usage
from remuda.wire.answers import UNKNOWN_CHUNK, facts_of_chunk, facts_of_whole


@pytest.mark.parametrize(
    ("body", "usage", "finish"),
    [
        (
            b'{"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}},'
            b'"choices":[{"finish_reason":"length"}]}',
            Usage(9, 2, 4),
            "length",
        ),
        (
            b'{"status":"completed","usage":{"input_tokens":3,"output_tokens":5,"input_tokens_details":null}}',
            Usage(3, 5),
            "stop",
        ),
        (b'{"status":"incomplete"}', NO_USAGE, "length"),
        (b'{"usage":{"prompt_tokens":2,"total_tokens":2},"data":[]}', Usage(2), ""),
        (b"[1,2]", NO_USAGE, ""),
        (b"no json", NO_USAGE, ""),
        (b"\xff\xfe", NO_USAGE, ""),
        (b"", NO_USAGE, ""),
    ],
)
def test_a_whole_answer(body: bytes, usage: Usage, finish: str):
    assert facts_of_whole(body) == (usage, finish)


@pytest.mark.parametrize(
    "piece",
    [
        b'{"content":"x"}',
        b'{"reasoning_content":"x"}',
        b'{"reasoning":"x"}',
        b'{"tool_calls":[{"index":0}]}',
        b'{"refusal":"x"}',
    ],
)
def test_what_counts_as_content(piece: bytes):
    assert facts_of_chunk(b'{"choices":[{"delta":' + piece + b"}]}").has_content


@pytest.mark.parametrize("piece", [b'{"role":"assistant","content":null}', b'{"content":""}', b"{}"])
def test_what_does_not(piece: bytes):
    assert not facts_of_chunk(b'{"choices":[{"delta":' + piece + b"}]}").has_content


def test_text_completions_have_text():
    facts = facts_of_chunk(b'{"choices":[{"text":"a"},{"text":"b","finish_reason":"stop"}]}')
    assert (facts.text, facts.finish_reason) == ("ab", "stop")


def test_usage_alone_and_progress_alone():
    assert facts_of_chunk(b'{"choices":[],"usage":{"prompt_tokens":1}}').is_usage_only
    assert not facts_of_chunk(b'{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}').is_usage_only
    assert facts_of_chunk(b'{"choices":[],"prompt_progress":{"total":3}}').is_progress


@pytest.mark.parametrize(
    ("event", "finish", "is_error", "has_content"),
    [
        (b'{"type":"response.output_text.delta","delta":"x"}', "", False, True),
        (b'{"type":"response.completed","response":{"status":"completed"}}', "stop", False, False),
        (b'{"type":"response.incomplete","response":{}}', "length", False, False),
        (b'{"type":"response.failed","response":{}}', "", True, False),
        (b'{"type":"error"}', "", True, False),
    ],
)
def test_events_of_the_responses_api(event: bytes, finish: str, is_error: bool, has_content: bool):
    facts = facts_of_chunk(event)
    assert (facts.finish_reason, facts.is_error, facts.has_content) == (finish, is_error, has_content)


@pytest.mark.parametrize("event", [b"nonsense", b"[]", b'{"choices":3}', b"\xff"])
def test_an_unknown_shape_is_content_for_all_we_can_tell(event: bytes):
    assert facts_of_chunk(event) == UNKNOWN_CHUNK
