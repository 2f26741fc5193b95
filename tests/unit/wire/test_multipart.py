"""Forms with files: any split of the bytes, same events out."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.wire.multipart import (
    MAX_HEAD_BYTES,
    MAX_PARTS,
    MultipartError,
    MultipartSplitter,
    Part,
    PartEnd,
    boundary_of,
)

FORM = (
    b"--AaB\r\n"
    b'Content-Disposition: form-data; name="purpose"\r\n\r\n'
    b"batch\r\n"
    b"--AaB\r\n"
    b'content-disposition: form-data; name="file"; filename="in \\"1\\".jsonl"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
    b"{}\r\n\r\n--AaC\r\n--Aa\r\n"
    b"\r\n--AaB--\r\nepilogue"
)
EVENTS = [("purpose", None, b"batch"), ("file", 'in "1".jsonl', b"{}\r\n\r\n--AaC\r\n--Aa\r\n")]


def parts_of(pieces: list[bytes], boundary: bytes = b"AaB") -> tuple[list[Any], bool]:
    """Each part with its whole content."""
    splitter = MultipartSplitter(boundary)
    found: list[Any] = []
    for event in itertools.chain.from_iterable(splitter.feed(piece) for piece in pieces):
        if isinstance(event, Part):
            found.append((*event, b""))
        elif isinstance(event, PartEnd):
            found.append(None)
        else:
            assert event
            name, filename, content = found.pop()
            found.append((name, filename, content + event))
    assert found[1::2] == [None] * (len(found) // 2)
    return found[::2], splitter.is_over


def form(*parts: tuple[bytes, bytes], end: bytes = b"--AaB--") -> bytes:
    return b"".join(b"--AaB\r\n%b\r\n\r\n%b\r\n" % part for part in parts) + end


@given(st.lists(st.integers(0, len(FORM)), max_size=12))
def test_any_split(cuts: list[int]):
    at = [0, *sorted(cuts), len(FORM)]
    assert parts_of([FORM[start:end] for start, end in itertools.pairwise(at)]) == (EVENTS, True)


def test_byte_by_byte():
    assert parts_of([bytes([byte]) for byte in FORM]) == (EVENTS, True)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_content(content: bytes, step: int):
    if b"\r\n--AaB" in b"\r\n" + content:
        return
    whole = form((b'Content-Disposition: form-data; name="a"', content))
    pieces = [whole[at : at + step] for at in range(0, len(whole), step)]
    assert parts_of(pieces) == ([("a", None, content)], True)


def test_a_preamble_and_an_empty_file():
    head = b'Content-Disposition: form-data; name="a"; filename=""'
    assert parts_of([b"preamble\r\n" + form((head, b""))]) == ([("a", "", b"")], True)


def test_content_passes_through_a_little_room():
    splitter = MultipartSplitter(b"AaB")
    splitter.feed(b'--AaB\r\nContent-Disposition: form-data; name="a"\r\n\r\n')
    sent = got = 0
    for _ in range(100):
        sent += 10_000
        got += sum(len(event) for event in splitter.feed(b"x" * 10_000) if isinstance(event, bytes))
        assert sent - got < 20


def test_the_end_is_missing():
    assert not parts_of([form((b'Content-Disposition: form-data; name="a"', b"b"), end=b"")[:-2] + b"\r\n--AaB\r\n"])[1]


@pytest.mark.parametrize(
    "data",
    [
        form((b"Content-Type: text/plain", b"x")),
        form((b"Content-Disposition: form-data", b"x")),
        form((b'Content-Disposition: attachment; name="a"', b"x")),
        b"--AaBx\r\n",
        b"--AaB\r\n" + b"h" * (MAX_HEAD_BYTES + 1),
        form(*[(b'Content-Disposition: form-data; name="a"', b"x")] * (MAX_PARTS + 1)),
    ],
)
def test_what_is_no_form(data: bytes):
    with pytest.raises(MultipartError):
        MultipartSplitter(b"AaB").feed(data)


@pytest.mark.parametrize(
    ("said", "boundary"),
    [
        (b"multipart/form-data; boundary=AaB", b"AaB"),
        (b'Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
        (b"multipart/form-data;boundary=x; y=z", b"x"),
        (b"multipart/form-data", None),
        (b"multipart/form-data; boundary=", None),
        (b"multipart/form-data; boundary=" + b"x" * 71, None),
        (b"application/json; boundary=x", None),
        (b"", None),
    ],
)
def test_boundaries(said: bytes, boundary: bytes | None):
    assert boundary_of(said) == boundary
