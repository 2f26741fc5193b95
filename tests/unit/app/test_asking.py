"""One small question to another server."""

import asyncio
from pathlib import Path

import pytest

from remuda.app.asking import Answer, NoAnswer, ask, model_names, models_path
from remuda.core.address import Address, parse_address
from tests.fixtures.http_servers import http, serving


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


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h", "/v1/models"),
        ("http://h/v1", "/v1/models"),
        ("http://h/api/v1/", "/api/v1/models"),
        ("http://h/llm", "/llm/models"),
    ],
)
def test_where_models_are_listed(url: str, path: str) -> None:
    assert models_path(parse_address(url)) == path


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"data": [{"id": "a"}, {"id": 5}, 7]}', ["a"]),
        (b'{"data": {}}', None),
        (b"[]", None),
        (b"<html>", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_names_in_a_list(body: bytes, names: list[str] | None) -> None:
    assert model_names(Answer(200, body)) == names
