"""Asking a server about itself: answers of every kind, and none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remuda.core.address import Address
from remuda.engines.children.props import Properties, is_healthy, properties_of

GOOD = b'{"total_slots":4,"default_generation_settings":{"n_ctx":512,"params":{}},"other":[]}'


@asynccontextmanager
async def server(status: bytes, body: bytes) -> AsyncIterator[tuple[Address, list[bytes]]]:
    """A server that always gives one answer, and keeps what it was asked."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", listening.sockets[0].getsockname()[1], base_path="/base"), heads
    finally:
        listening.close()
        await listening.wait_closed()


async def test_slots_and_context() -> None:
    async with server(b"200 OK", GOOD) as (address, heads):
        assert await properties_of(address, "geheim") == Properties(slots=4, context=512)
        assert await is_healthy(address, None)
    assert heads[0].startswith(b"GET /base/props HTTP/1.1\r\n")
    assert b"Authorization: Bearer geheim\r\n" in heads[0]
    assert b"Authorization" not in heads[1]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (b"503 Service Unavailable", b'{"error":{"message":"Loading model"}}'),
        (b"401 Unauthorized", GOOD),
        (b"302 Found", GOOD),
        (b"200 OK", b"not json"),
        (b"200 OK", b'{"total_slots":"four"}'),
        (b"nonsense", b""),
    ],
)
async def test_any_other_answer_tells_nothing(status: bytes, body: bytes) -> None:
    async with server(status, body) as (address, _):
        assert await properties_of(address, None) is None


async def test_no_server_tells_nothing(tmp_path: Path) -> None:
    assert not await is_healthy(Address("localhost", 80, socket_path=str(tmp_path / "none.sock")), None)
