import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.faults import BodyTooLarge, InvalidRequest, UnsupportedMedia
from remuda.gateway.read import MEMBERS, decompress


@given(pieces=st.lists(st.binary(max_size=300), min_size=1, max_size=4), room=st.integers(0, 3))
def test_what_fits_comes_out(pieces: list[bytes], room: int) -> None:
    plain = b"".join(pieces)
    body = b"".join(map(gzip.compress, pieces))
    assert decompress(body, b"gzip", len(plain) + room) == plain
    assert decompress(zlib.compress(plain), b"deflate", len(plain) + room) == plain


@given(plain=st.binary(min_size=2, max_size=5000), over=st.integers(1, 2))
def test_one_byte_more_is_refused(plain: bytes, over: int) -> None:
    for body, encoding in ((gzip.compress(plain), b"gzip"), (zlib.compress(plain), b"deflate")):
        with pytest.raises(BodyTooLarge):
            decompress(body, encoding, len(plain) - over)


@given(plain=st.binary(max_size=200), data=st.data())
def test_what_is_cut_short_is_refused(plain: bytes, data: st.DataObject) -> None:
    for body, encoding in ((gzip.compress(plain), b"gzip"), (zlib.compress(plain), b"deflate")):
        cut = data.draw(st.integers(1, len(body) - 1))
        with pytest.raises(InvalidRequest):
            decompress(body[:cut], encoding, 10_000)


@given(junk=st.binary(min_size=1, max_size=50))
def test_junk_is_refused_and_nothing_else_happens(junk: bytes) -> None:
    for encoding in (b"gzip", b"deflate"):
        with pytest.raises((InvalidRequest, BodyTooLarge)):
            decompress(b"\0" + junk, encoding, 100)


def test_a_body_of_many_parts_is_refused() -> None:
    assert decompress(gzip.compress(b"x") * MEMBERS, b"gzip", 100) == b"x" * MEMBERS
    with pytest.raises(InvalidRequest, match="parts"):
        decompress(gzip.compress(b"x") * (MEMBERS + 1), b"gzip", 100)


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"compress", b"gzip, deflate", b"\xff"])
def test_other_encodings_are_refused(encoding: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        decompress(b"", encoding, 10)
