"""Request bodies: read at the top level, spliced, and otherwise left alone."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.faults import InvalidJson, InvalidRequest
from remuda.engines.body import fields_of, json_text, nests_deeper_than, one_line, with_fields, with_first, with_usage

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text() | st.sampled_from(["model", "stream"]), VALUES, max_size=6)


@given(OBJECTS, st.sampled_from([None, 1, "\t"]))
def test_fields_are_the_bytes_of_their_values(content: dict[str, Any], indent: Any) -> None:
    body = json.dumps(content, indent=indent).encode()
    fields = fields_of(body)
    assert fields.keys() == content.keys()
    assert all(bytes(value) in body for value in fields.values())
    assert {name: json.loads(bytes(value)) for name, value in fields.items()} == content


@given(OBJECTS, st.dictionaries(st.sampled_from(["model", "stream", "other"]), VALUES, max_size=3))
def test_wanted_fields_win_and_all_others_stay(content: dict[str, Any], wanted: dict[str, Any]) -> None:
    body = json.dumps(content, ensure_ascii=False).encode()
    sent = with_fields(body, fields_of(body), {name: json.dumps(value).encode() for name, value in wanted.items()})
    assert json.loads(sent) == {**content, **wanted}
    names = [name for name, _ in json.loads(sent, object_pairs_hook=list)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("body", [b"{}", b" { \n" + b" " * 1000 + b"}", b'{"b":2}', b'{ "b" : 2 }'])
def test_a_first_field(body: bytes) -> None:
    sent = with_first(body, b'"a":1')
    assert json.loads(sent) == {"a": 1, **json.loads(body)}
    assert len(sent) <= len(body) + 6


def test_nothing_wanted_or_nothing_new_is_no_copy() -> None:
    body = b'{"stream":true}'
    assert with_fields(body, fields_of(body), {}) is body
    assert with_fields(body, fields_of(body), {"stream": b"true"}) is body


def test_the_last_of_two_fields_of_one_name_counts() -> None:
    body = b'{"stream":true,"stream":false}'
    fields = fields_of(body)
    assert bytes(fields["stream"]) == b"false"
    assert json.loads(with_fields(body, fields, {"stream": b"true"})) == {"stream": True}


@pytest.mark.parametrize("body", [b"", b"nope", b'{"a"', b'{"a":1,}', b"\xff", b'{"a":' + b"[" * 200_000])
def test_no_json(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        fields_of(body)


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null"])
def test_no_object(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        fields_of(body)
    assert not isinstance(caught.value, InvalidJson)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(item) for item in value), default=0)
    return 0


@given(VALUES, st.integers(0, 6))
def test_depth(value: Any, limit: int) -> None:
    assert nests_deeper_than(limit, json.dumps(value).encode()) is (depth(value) > limit)


def test_brackets_in_texts_do_not_nest() -> None:
    text = json.dumps(["[" * 50 + '"\\' + "{" * 50] * 3).encode()
    assert not nests_deeper_than(1, text)
    assert nests_deeper_than(200, b'{"a":' * 201 + b"1" + b"}" * 201)
    assert not nests_deeper_than(201, b'{"a":' * 201 + b"1" + b"}" * 201)


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (None, b'{"include_usage":true}'),
        (b"null", b'{"include_usage":true}'),
        (b"{}", b'{"include_usage":true}'),
        (b'{"include_usage":true, "x":1}', b'{"include_usage":true, "x":1}'),
        (b'{"x":1}', b'{"include_usage":true,"x":1}'),
        (b'{"include_usage":false}', b'{"include_usage":true}'),
    ],
)
def test_usage_is_asked_for(options: bytes | None, sent: bytes) -> None:
    assert with_usage(None if options is None else msgspec.Raw(options)) == sent


@given(st.text())
def test_json_text(text: str) -> None:
    assert json.loads(json_text(text)) == text


@given(st.text(), st.integers(2, 40))
def test_one_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()
