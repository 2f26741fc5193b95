"""Where webhooks may go, and how they are signed."""

import base64
from ipaddress import ip_network

import pytest
from tests.fixtures.receiver import Receiver

from remuda.outbound.addresses import AddressRefused
from remuda.outbound.http import OutboundError
from remuda.outbound.webhooks import Reach, Sender, key_in, secret_of, shown_url, signed_headers


def standing_for(*addresses: str) -> Reach:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return Reach([ip_network("10.1.0.0/16"), ip_network("fd00::/8")], resolve)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook?a=b",
        "http://8.8.8.8:8080",
        "http://10.1.2.3/",
        "http://[fd00::1]/",
        "HTTP://EXAMPLE.com/",
    ],
)
def test_what_may_be_called(url: str):
    standing_for().check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.2.0.1/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://169.254.169.254/",
        "http://[::ffff:10.2.0.1]/",
        "http://1/",
        "http://017700000001/",
        "http://example.com\\@10.2.0.1/",
        "http://a:b@example.com/",
        "http://@example.com/",
        "http:///x",
        "http://example.com:99999/",
        "http://exämple.com/",
        "http://example.com/\r\nX: y",
        "https://example.com/" + "x" * 2048,
        "javascript:alert(1)",
    ],
)
def test_what_may_not(url: str):
    with pytest.raises(AddressRefused):
        standing_for().check_url(url)


async def test_names_are_checked_by_what_they_stand_for():
    assert await standing_for("10.1.0.9", "8.8.8.8").resolve("h", 80) == ["10.1.0.9", "8.8.8.8"]
    for addresses in (("127.0.0.1",), ("8.8.8.8", "10.2.0.1"), ("169.254.169.254",)):
        with pytest.raises(AddressRefused, match="no webhook"):
            await standing_for(*addresses).resolve("h", 80)
        with pytest.raises(AddressRefused, match="no webhook"):
            await standing_for(*addresses).check("http://h/")


async def test_a_name_that_stands_for_nothing_is_let_pass():
    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    await Reach([], resolve).check("http://nobody.example/")


async def test_a_name_that_means_another_place_by_now_is_not_called():
    async with Receiver() as receiver:
        sender = Sender(standing_for("127.0.0.1"), timeout_s=5.0, agent="t")
        with pytest.raises(OutboundError, match="private network"):
            await sender.send(f"http://rebound.example:{receiver.port}/", {}, b"{}")
        await sender.close()
        assert receiver.seen == []


async def test_sending():
    async with Receiver() as receiver:
        sender = Sender(Reach([ip_network("127.0.0.0/8")]), timeout_s=5.0, agent="remuda/t")
        assert await sender.send(receiver.url + "?a=%2F", {"webhook-id": "m"}, b"{}") == 204
        [got] = receiver.seen
        assert (got.headers["webhook-id"], got.headers["user-agent"], got.headers["content-type"], got.body) == (
            "m",
            "remuda/t",
            "application/json",
            b"{}",
        )
        await sender.close()
    with pytest.raises(OutboundError, match="cannot be reached"):
        await sender.send(receiver.url, {}, b"{}")
    await sender.close()


def test_the_standards_own_example():
    # From the specification's reference libraries.
    headers = signed_headers(
        key_in("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets():
    assert key_in(secret_of(b"\x00\xffkey")) == b"\x00\xffkey"
    assert key_in("any text") == b"any text"
    assert key_in("whsec_!") == b"whsec_!"
    assert secret_of(b"k") == "whsec_" + base64.b64encode(b"k").decode()


def test_a_query_is_not_shown():
    assert shown_url("https://h/x?token=s") == "https://h/x"
