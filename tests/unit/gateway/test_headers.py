import pytest

from remuda.gateway.headers import STANDING_BLOCK, STANDING_HEADERS, Cors, block_of


def test_the_standing_block_is_the_standing_headers() -> None:
    assert block_of(STANDING_HEADERS) == STANDING_BLOCK
    assert STANDING_BLOCK.count(b"\r\n") == len(STANDING_HEADERS)


@pytest.mark.parametrize(
    ("allowed", "origin", "is_allowed"),
    [
        ([], b"https://a.example", False),
        (["https://a.example"], b"https://a.example", True),
        (["https://a.example/"], b"https://a.example", True),
        (["https://a.example"], b"https://a.example.org", False),
        (["https://a.example"], b"http://a.example", False),
        (["https://a.example"], b"null", False),
        (["*"], b"https://b.example", True),
        (["https://a.example"], None, False),
    ],
)
def test_cors(allowed: list[str], origin: bytes | None, is_allowed: bool) -> None:
    headers = dict(Cors(allowed).headers(origin))
    assert (headers.get(b"access-control-allow-origin") == origin and origin is not None) is is_allowed
    assert b"access-control-allow-credentials" not in headers
    assert bool(headers) is is_allowed
    if is_allowed:
        assert headers[b"vary"] == b"Origin"
