"""Hosts and ports as people write them."""

import pytest

from remuda.core.hosts import Bind, is_loopback, parse_bind, parse_host


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST.", "a.localhost", "::ffff:127.0.0.1"]
)
def test_loopback_hosts(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.1", "", "localhost.example.org", "127.0.0.1.example.org", "128.0.0.1", "2130706433"],
)
def test_foreign_hosts(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:3000", Bind("127.0.0.1", 3000)),
        ("[::1]:0", Bind("::1", 0)),
        ("[::0:1]:80", Bind("::1", 80)),
        ("my-host_2:65535", Bind("my-host_2", 65535)),
    ],
)
def test_binds(text: str, bind: Bind) -> None:
    assert parse_bind(text) == bind
    assert parse_bind(str(bind)) == bind


@pytest.mark.parametrize(
    "text", ["", "3000", ":3000", "host:", "host:65536", "host:-1", "host:8o", "::1:80", "a b:80", "[x]:80", "1.2.3:1"]
)
def test_what_is_no_bind(text: str) -> None:
    with pytest.raises(ValueError, match=r"host|IPv4"):
        parse_bind(text)


@pytest.mark.parametrize("text", ["", "http://x", "a/b", "300.1.1.1", "-a", "a..b", "x" * 254, "host:80", "ü"])
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(ValueError, match=r"host|address"):
        parse_host(text)


def test_a_host_may_stand_in_brackets() -> None:
    assert parse_host("[::1]") == "::1"
    assert parse_host("::") == "::"
