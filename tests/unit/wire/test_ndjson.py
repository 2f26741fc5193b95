import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from remuda.wire.ndjson import LineSplitter, line_of

LINE = st.sampled_from([b'{"a":1}\n', b'{"b":"\\n"}\r\n', b"\n", b"\r\n", '{"ü":"🐴"}\n'.encode()])


@given(lines=st.lists(LINE, max_size=6), rest=st.sampled_from([b"", b'{"cut']), cuts=st.lists(st.integers(0, 90)))
def test_any_split_gives_the_same_lines(lines: list[bytes], rest: bytes, cuts: list[int]) -> None:
    stream = b"".join(lines) + rest
    whole, pieces = LineSplitter(), LineSplitter()
    expected = whole.feed(stream)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    assert [line for a, b in pairwise(places) for line in pieces.feed(stream[a:b])] == expected
    assert expected == [line.strip() for line in lines if line.strip()]
    assert pieces.carry == rest
    assert pieces.rest() == whole.rest() == rest
    assert pieces.carry == b""


def test_a_value_is_one_line_whatever_it_holds() -> None:
    value = {"text": "two\nlines\r\n", "n": 1}
    line = line_of(value)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line) == value
