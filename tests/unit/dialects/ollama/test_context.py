"""A conversation in numbers, and back."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.faults import InvalidRequest
from remuda.dialects.ollama.context import MARK, MAX_BYTES, MAX_CHARS, Memory, Said, context_of, messages_in

MESSAGES = st.lists(st.builds(Said, st.sampled_from(("system", "user", "assistant")), st.text()), min_size=1)


@given(MESSAGES)
def test_what_went_in_comes_out(said: list[Said]):
    context = context_of(said)
    assert messages_in(context) == said
    assert all(0 <= number < 2**48 for number in context)


def numbers(packed: bytes) -> list[int]:
    packed += bytes(-len(packed) % 6)
    return [MARK, *(int.from_bytes(packed[at : at + 6], "big") for at in range(0, len(packed), 6))]


@pytest.mark.parametrize(
    "context",
    [
        [128006, 882, 128007],
        [MARK],
        [MARK, -1],
        [MARK, 2**48],
        [MARK, 1, 2, 3],
        context_of([Said("user", "hello" * 20)])[:-3],
        numbers(zlib.compress(b'{"a":1}')),
        numbers(zlib.compress(b'[["tool","x"]]')),
        numbers(zlib.compress(b"\xff")),
        numbers(zlib.compress(b'[["user","' + b"x" * MAX_BYTES + b'"]]')),
    ],
)
def test_what_is_none_of_ours_is_refused(context: list[int]):
    with pytest.raises(InvalidRequest) as caught:
        messages_in(context)
    assert caught.value.parameter == "context"


def test_the_answer_is_remembered_as_far_as_there_is_room():
    memory = Memory([Said("user", "a")])
    memory.add("b\ud800")
    memory.add("c")
    context = memory.context()
    assert context is not None
    assert messages_in(context) == [("user", "a"), ("assistant", "b?c")]
    memory.add("x" * MAX_CHARS)
    memory.add("y")
    assert memory.context() is None
    assert Memory([Said("user", "x" * MAX_CHARS)]).context() is None
    assert Memory([Said("user", "")] * MAX_CHARS).context() is None


def test_all_that_is_packed_comes_back():
    worst = Memory([Said("user", "\x01" * (MAX_CHARS - 100))])
    context = worst.context()
    assert context is not None
    assert len(messages_in(context)) == 2
