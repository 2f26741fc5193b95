import pytest

from remuda.gateway.headers import STANDING_HEADERS, Cors, block_of


def test_headers_become_lines() -> None:
    assert block_of(STANDING_HEADERS[:2]) == b"x-content-type-options: nosniff\r\nx-frame-options: DENY\r\n"


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
