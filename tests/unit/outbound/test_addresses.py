"""Which addresses are called."""

import asyncio
import socket
from ipaddress import ip_address

import pytest

from remuda.outbound.addresses import AddressRefused, check_host, given_address, refusal, resolved

REFUSED = [
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",  # an example, nothing listens there
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "::ffff:169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::a9fe:a9fe",
]
CALLED = [
    "127.0.0.1",
    "::1",
    "10.0.0.1",
    "192.168.1.20",
    "172.16.0.9",
    "100.64.0.7",
    "fd12::1",
    "8.8.8.8",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_nothing_is_called_at(address: str) -> None:
    assert refusal(ip_address(address)) is not None
    with pytest.raises(AddressRefused, match="nothing is called there"):
        check_host(address)


@pytest.mark.parametrize("address", CALLED)
def test_a_server_may_stand_at(address: str) -> None:
    assert refusal(ip_address(address)) is None
    check_host(address)


def test_a_given_address_is_marked_to_be_checked_at_each_connection() -> None:
    address = given_address("https://gpu.example:8443/v1/")
    assert (address.host, address.port, address.is_tls, address.base_path) == ("gpu.example", 8443, True, "/v1")
    assert address.is_given


@pytest.mark.parametrize(
    "url",
    [
        "unix:/run/docker.sock",
        "file:///etc/passwd",
        "gopher://example/",
        "ftp://example/",
        "http://user:secret@example/",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1%25eth0]/",
        "http:///v1",
        "http://example/?next=x",
    ],
)
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        given_address(url)
    assert "secret" not in str(error.value)


async def test_a_name_is_checked_by_what_it_stands_for() -> None:
    assert set(await resolved("localhost", 80)) <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "169.254.43518"])
async def test_other_ways_to_write_a_refused_address_are_refused(host: str) -> None:
    try:
        await asyncio.get_running_loop().getaddrinfo(host, 80, type=socket.SOCK_STREAM)
    except OSError:
        pytest.skip("this system's resolver does not read such numbers, so nothing can be called by them")
    with pytest.raises(AddressRefused):
        await resolved(host, 80)
