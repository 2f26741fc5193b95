"""Which addresses are called."""

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
    "169.254.1.2",
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
async def test_a_server_may_stand_at(address: str) -> None:
    assert refusal(ip_address(address)) is None
    assert check_host(address)
    assert await resolved(address, 80) == [address]


def test_the_machine_around_a_container_is_no_public_place() -> None:
    assert refusal(ip_address("169.254.1.2"), only_public=True) == "a link-local address"


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


@pytest.mark.parametrize(
    "host", ["2852039166", "0xa9fea9fe", "169.254.43518", "0251.0376.0251.0376", "127.1", "0x7f.1", "127.0.0.1.", "0"]
)
async def test_unusual_spellings_of_addresses_are_refused_wherever_they_lead(host: str) -> None:
    with pytest.raises(AddressRefused, match="unusual spelling"):
        given_address(f"http://{host}:8000/")
    with pytest.raises(AddressRefused, match="unusual spelling"):
        await resolved(host, 80)


@pytest.mark.parametrize("host", ["gpu", "gpu1", "10.example", "node-7.lan", "1.2.3.example."])
def test_names_with_numbers_in_them_are_names(host: str) -> None:
    assert not check_host(host)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.20", "100.64.0.7", "fd12::1"])
async def test_what_is_only_to_go_out_is_not_called_here_or_near(address: str) -> None:
    with pytest.raises(AddressRefused, match="private network"):
        check_host(address, only_public=True)
    url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    with pytest.raises(AddressRefused, match="private network"):
        given_address(url, only_public=True)
    with pytest.raises(AddressRefused, match="private network"):
        await resolved("localhost", 80, only_public=True)
    check_host("8.8.8.8", only_public=True)
    check_host("2606:4700::1111", only_public=True)
