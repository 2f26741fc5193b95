"""Addresses of inference servers, as people write them and as requests need them."""

import pytest

from remuda.core.address import parse_address, place_of


@pytest.mark.parametrize(
    ("written", "authority", "base_path", "shown"),
    [
        ("http://10.0.0.5:8000/v1/", "10.0.0.5:8000", "/v1", "http://10.0.0.5:8000/v1"),
        ("http://box", "box", "", "http://box"),
        ("https://llm.example.com/api/v1", "llm.example.com", "/api/v1", "https://llm.example.com/api/v1"),
        ("https://llm.example.com:8443", "llm.example.com:8443", "", "https://llm.example.com:8443"),
        ("http://[::1]:8080", "[::1]:8080", "", "http://[::1]:8080"),
        ("http://box/a%20b/..c/v1.0", "box", "/a%20b/..c/v1.0", "http://box/a%20b/..c/v1.0"),
        ("http://[fd12::1%eth0]:80", "[fd12::1%eth0]", "", "http://[fd12::1%eth0]"),
        ("unix:/run/llama.sock", "localhost", "", "unix:/run/llama.sock"),
    ],
)
def test_what_people_write(written: str, authority: str, base_path: str, shown: str):
    address = parse_address(written)
    assert (address.authority, address.base_path, address.url) == (authority, base_path, shown)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("10.0.0.5:8000", "starts with http"),
        ("ftp://box", "starts with http"),
        ("http://", "names no host"),
        ("http://user:secret@box", "give its key apart"),
        ("http://box/v1?key=1", "no query"),
        ("unix:relative.sock", "unix:/absolute/path"),
        ("http://127.0.0.1:0", "a port is a number from 1 to 65535"),
        ("http://box:65536", "a port is a number from 1 to 65535"),
        ("http://box:-1", "a port is a number from 1 to 65535"),
        ("http://box:http", "a port is a number from 1 to 65535"),
        ("http://127.0.0.1%2eexample", "without percent-escapes"),
        ("http://%31%32%37.0.0.1:8000", "without percent-escapes"),
        ("http://bücher", "letters, digits, dots and hyphens"),
        ("http://box/v1/../admin", "without . and .. in it"),
        ("http://box/..", "without . and .. in it"),
        ("http://box/./v1", "without . and .. in it"),
        ("http://box/v1/%2E./admin", "without . and .. in it"),
        ("http://box/a b", "spaces and the like"),
        ("http://box/a\\b", "spaces and the like"),
        ("http://box/é", "spaces and the like"),
    ],
)
def test_what_is_none(written: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        parse_address(written)


@pytest.mark.parametrize(
    ("place", "spellings"),
    [
        (
            "http://127.0.0.1:8000",
            [
                "http://127.0.0.1:8000/v1/",
                "http://localhost:8000",
                "http://LOCALHOST.:8000",
                "http://[::1]:8000",
                "http://[0:0:0:0:0:0:0:1]:8000/v1",
                "http://[::ffff:127.0.0.1]:8000",
                "http://[::FFFF:7f00:1]:8000",
            ],
        ),
        ("http://gpu.lan", ["http://gpu.lan.", "http://GPU.lan:80/", "http://gpu.lan:80/v1"]),
        ("http://[fd12::1]:9", ["http://[FD12:0::1]:9", "http://[fd12:0:0:0:0:0:0:1]:9"]),
        ("http://10.0.0.5/llm", ["http://10.0.0.5/llm/v1", "http://[::ffff:10.0.0.5]/llm/"]),
        ("unix:/run/x.sock", ["unix:/run/x.sock"]),
        ("nonsense", ["nonsense"]),
    ],
)
def test_a_place_is_the_same_however_it_is_written(place: str, spellings: list[str]):
    assert {place_of(place), *map(place_of, spellings)} == {place}


def test_other_places_are_others():
    urls = ["http://127.0.0.1", "https://127.0.0.1", "http://127.0.0.2", "http://127.0.0.1:81", "http://127.0.0.1/llm"]
    assert len(set(map(place_of, [*urls, "unix:/run/a", "unix:/run/b", "http://local"]))) == 8


@pytest.mark.parametrize("rest", ["box", "", "b%2e", "box:0", "box/.."])
def test_a_password_is_not_said_back(rest: str):
    with pytest.raises(ValueError, match="no user name") as caught:
        parse_address(f"http://user:hunter2@{rest}")
    assert "hunter2" not in str(caught.value)
