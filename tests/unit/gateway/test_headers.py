"""The headers on every answer, and which web pages may read them."""

from remuda.gateway.headers import STANDING_BLOCK, STANDING_HEADERS, Cors, block_of

PAGE = b"https://app.example"


def test_the_block_is_the_headers_as_lines():
    assert block_of(STANDING_HEADERS) == STANDING_BLOCK
    assert STANDING_BLOCK.endswith(b"\r\n")
    assert b"\r\n\r\n" not in STANDING_BLOCK


def test_no_page_may_by_default():
    assert Cors().headers(PAGE) == []
    assert Cors().headers(None) == []


def test_a_named_page_may_and_is_told_so_without_credentials():
    headers = dict(Cors(["https://app.example/"]).headers(PAGE))
    assert headers[b"access-control-allow-origin"] == PAGE
    assert headers[b"vary"] == b"Origin"
    assert b"access-control-allow-credentials" not in headers


def test_others_may_not_and_a_star_lets_all():
    assert not Cors(["https://app.example"]).allows(b"https://app.example.evil")
    assert Cors(["*"]).allows(b"https://anything.example")
