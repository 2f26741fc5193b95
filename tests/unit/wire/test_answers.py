import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.usage import NO_USAGE, Usage
from remuda.wire.answers import UNKNOWN_CHUNK, facts_of_chunk, facts_of_whole


@pytest.mark.parametrize(
    ("body", "usage", "finish"),
    [
        (
            b'{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":3}}',
            (2, 3, 0),
            "stop",
        ),
        (b'{"choices":[{},{"finish_reason":"length"}]}', (0, 0, 0), "length"),
        (b'{"usage":{"input_tokens":2,"output_tokens":3,"input_tokens_details":{"cached_tokens":1}}}', (2, 3, 1), ""),
        (b'{"status":"completed"}', (0, 0, 0), "stop"),
        (b'{"status":"incomplete"}', (0, 0, 0), "length"),
        (b'{"usage":{"prompt_tokens":4,"total_tokens":4}}', (4, 0, 0), ""),
    ],
)
def test_facts_of_whole(body: bytes, usage: tuple[int, int, int], finish: str) -> None:
    facts = facts_of_whole(body)
    assert (facts.usage, facts.finish_reason) == (Usage(*usage), finish)


@pytest.mark.parametrize(
    ("body", "is_json"), [(b"", False), (b"{", False), (b"<html>", False), (b"null", True), (b'{"choices":7}', True)]
)
def test_what_is_no_json_is_known_from_an_odd_shape(body: bytes, is_json: bool) -> None:
    assert facts_of_whole(body).is_json is is_json


@given(st.binary(max_size=60))
def test_whatever_it_is_it_tells_nothing_worse_than_nothing(junk: bytes) -> None:
    assert facts_of_whole(junk).usage == NO_USAGE
    facts_of_chunk(junk)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"choices":[{"delta":{"content":"a"}}]}', {"has_content": True, "text": "a"}),
        (b'{"choices":[{"text":"a"}]}', {"has_content": True, "text": "a"}),
        (b'{"choices":[{"delta":{"role":"assistant","content":""}}]}', {"has_content": False}),
        (b'{"choices":[{"delta":{"tool_calls":[{}]}}]}', {"has_content": True}),
        (b'{"choices":[{"delta":{"reasoning_content":"a"}}]}', {"has_content": True, "text": ""}),
        (b'{"choices":[{"delta":{"function_call":{"name":"f"}}}]}', {"has_content": True, "text": ""}),
        (b'{"choices":[{"delta":{"role":"assistant","audio":{"data":"UklG"}}}]}', {"has_content": True, "text": ""}),
        (b'{"choices":[{"finish_reason":"stop"}]}', {"finish_reason": "stop", "finished": 1}),
        (b'{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}', {"finished": 2}),
        (b'{"choices":[],"usage":{"prompt_tokens":1}}', {"is_usage_only": True, "usage": Usage(1, 0, 0)}),
        (b'{"choices":[],"usage":null}', {"is_usage_only": False, "usage": None}),
        (b'{"choices":[{}],"prompt_progress":{}}', {"is_progress": True}),
        (b'{"error":{}}', {"is_error": True}),
        (b'{"error":null,"choices":[]}', {"is_error": False}),
        (b'{"type":"response.output_text.delta","delta":"a"}', {"has_content": True, "text": "a"}),
        (b'{"type":"response.completed","response":{}}', {"finish_reason": "stop", "finished": 1}),
        (b'{"type":"response.failed"}', {"is_error": True, "finished": 0}),
        (b'{"type":"error"}', {"is_error": True}),
    ],
)
def test_facts_of_chunk(data: bytes, expected: dict[str, object]) -> None:
    facts = facts_of_chunk(data)
    assert {name: getattr(facts, name) for name in expected} == expected


@pytest.mark.parametrize("data", [b"", b"[]", b"1", b"{", b'{"choices":{}}', b'{"usage":1}'])
def test_an_unknown_shape_counts_as_content(data: bytes) -> None:
    assert facts_of_chunk(data) is UNKNOWN_CHUNK
