"""Compressed bodies, within their bound."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.faults import BodyTooLarge, InvalidRequest, UnsupportedMedia
from remuda.gateway.read import decompress

LIMIT = 10_000


@given(st.binary(max_size=2000), st.sampled_from([(b"gzip", gzip.compress), (b"deflate", zlib.compress)]))
def test_what_was_compressed_comes_back(body: bytes, way: tuple):
    encoding, compress = way
    assert decompress(compress(body), encoding, LIMIT) == body


def test_gzip_may_hold_several_members():
    assert decompress(gzip.compress(b"one ") + gzip.compress(b"two"), b"gzip", LIMIT) == b"one two"


def test_the_bound_is_exact_and_a_bomb_is_refused():
    assert len(decompress(gzip.compress(b"x" * LIMIT), b"gzip", LIMIT)) == LIMIT
    for size in (LIMIT + 1, 50_000_000):
        with pytest.raises(BodyTooLarge):
            decompress(gzip.compress(b"x" * size), b"gzip", LIMIT)


@pytest.mark.parametrize("body", [b"no gzip at all", gzip.compress(b"cut short" * 50)[:-12]])
def test_what_is_not_what_it_says_is_refused(body: bytes):
    with pytest.raises(InvalidRequest):
        decompress(body, b"gzip", LIMIT)


def test_other_encodings_are_refused_by_name():
    with pytest.raises(UnsupportedMedia, match="zstd"):
        decompress(b"", b"zstd", LIMIT)
