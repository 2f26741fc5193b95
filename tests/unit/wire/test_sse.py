from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from remuda.wire.sse import EventSplitter, data_of, event_of


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


EVENT = st.sampled_from(
    [b"data: {}\n\n", b"data: a\r\n\r\n", b": note\n\n", b"event: x\ndata: b\n\n", b"data: c\r\r", b"data:d\n\r\n"]
)


@given(events=st.lists(EVENT, max_size=6), rest=st.sampled_from([b"", b"data: cut"]), cuts=st.lists(st.integers(0, 90)))
def test_any_split_gives_the_same_events(events: list[bytes], rest: bytes, cuts: list[int]) -> None:
    stream = b"".join(events) + rest
    whole, pieces = EventSplitter(), EventSplitter()
    expected = whole.feed(stream)
    got = [event for piece in split_at(stream, cuts) for event in pieces.feed(piece)]
    assert got == expected
    assert pieces.rest() == whole.rest()
    assert b"".join(expected) == stream[: len(b"".join(expected))]


def test_events_keep_their_bytes() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\n\ndata: 2\n") == [b"data: 1\n\n"]
    assert splitter.carry == b"data: 2\n"
    assert splitter.feed(b"\n") == [b"data: 2\n\n"]


def test_data_of_joins_lines_and_skips_comments() -> None:
    assert data_of(b'data: {"a":1}\n\n') == b'{"a":1}'
    assert data_of(b"event: x\r\ndata: 1\r\ndata:2\r\n\r\n") == b"1\n2"
    assert data_of(b": keep-alive\n\n") == b""
    assert data_of(event_of(b"x")) == b"x"


@given(
    events=st.lists(EVENT, max_size=4),
    long=st.binary(max_size=40),
    end=st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"]),
)
def test_shedding_loses_nothing_and_finds_the_end_all_the_same(events: list[bytes], long: bytes, end: bytes) -> None:
    long = b"data: " + long.replace(b"\r", b"").replace(b"\n", b"")
    stream = long + end + b"data: next\n\n" + b"".join(events)
    splitter = EventSplitter()
    out, ended = b"", []
    for number in range(len(stream)):
        ended += splitter.feed(stream[number : number + 1])
        if not ended:
            out += splitter.shed()
    assert (out + b"".join(ended) + splitter.rest()) == stream
    assert b"data: next\n\n" in ended
