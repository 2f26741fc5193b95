"""One small question to another server."""

import asyncio
from pathlib import Path

import pytest
from tests.fixtures.http_servers import http, serving

from remuda.core.address import Address, parse_address
from remuda.outbound.addresses import AddressRefused
from remuda.outbound.question import Answer, NoAnswer, ask


async def reason(address: Address, timeout_s: float = 30.0) -> str:
    with pytest.raises(NoAnswer) as caught:
        await ask(address, "/", timeout_s=timeout_s)
    return str(caught.value)


async def test_the_answer_comes_back_and_the_key_goes_along() -> None:
    async with serving(http(b'{"a": 1}')) as served:
        answer = await ask(parse_address(served.url), "/v1/models", key="secret")
    assert (answer.status, answer.json()) == (200, {"a": 1})
    (head,) = served.heads
    assert head.startswith("GET /v1/models HTTP/1.1\r\n")
    assert "Authorization: Bearer secret\r\n" in head


async def test_a_redirect_is_not_followed() -> None:
    async with serving(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") as served:
        assert (await ask(parse_address(served.url), "/")).status == 302


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    if len(str(path)) > 100:
        pytest.skip("the temporary folder's name is too long for a socket")

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http(b"{}"))
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(take, path):
        assert (await ask(parse_address(f"unix:{path}"), "/")).status == 200


async def test_why_there_is_no_answer() -> None:
    async with serving(None) as served:
        assert await reason(parse_address(served.url), timeout_s=0.05) == "does not answer within 0.05 s"
    assert await reason(parse_address(served.url)) == "cannot be reached: Connection refused"
    async with serving(b"") as served:
        assert await reason(parse_address(served.url)) == "closes the connection or does not speak HTTP"
    async with serving(b"SSH-2.0-x\r\n") as served:
        assert await reason(parse_address(served.url)) == "closes the connection or does not speak HTTP"
    async with serving(http(b"x" * (8 * 1024 * 1024 + 1))) as served:
        assert await reason(parse_address(served.url)) == "answers with far too much"


async def test_a_given_address_is_asked_only_where_it_may_be() -> None:
    async def leads_home(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def leads_astray(host: str, port: int) -> list[str]:
        raise AddressRefused(f"{host} stands for a place")

    async with serving(http(b"{}")) as served:
        given = Address("gpu.example", served.port, is_given=True)
        assert (await ask(given, "/", resolve=leads_home)).status == 200
        with pytest.raises(NoAnswer, match=r"is not asked: gpu\.example stands for a place"):
            await ask(given, "/", resolve=leads_astray)
        # Where it is not checked, the server of this test would answer there.
        with pytest.raises(NoAnswer, match="no machine's address: nothing is called there"):
            await ask(Address("0.0.0.0", served.port, is_given=True), "/")
    assert len(served.heads) == 1


async def test_a_long_answer_arrives_whole() -> None:
    async with serving(http(b'"' + b"x" * 1_000_000 + b'"')) as served:
        assert len((await ask(parse_address(served.url), "/")).json()) == 1_000_000


async def test_the_base_path_comes_first() -> None:
    async with serving(http(b"{}")) as served:
        await ask(parse_address(f"{served.url}/v1"), "/models")
    assert served.heads[0].startswith("GET /v1/models HTTP/1.1\r\n")


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"", b"[" * 100_000])
def test_what_is_no_json(body: bytes) -> None:
    assert Answer(200, body).json() is None
