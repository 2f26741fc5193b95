"""Many who connect at once are let in at once."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from remuda.app.acceptor import Acceptor
from tests.fixtures.parts import missing
from tests.fixtures.raw import certificate_in


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield listener


class Waiting:
    """Connections of clients that nobody has accepted yet."""

    def __init__(self, listener: socket.socket, number: int) -> None:
        self.clients = [socket.create_connection(listener.getsockname(), timeout=10) for _ in range(number)]

    def close(self) -> None:
        for client in self.clients:
            client.close()


class Met(asyncio.Protocol):
    """One connection that was let in, kept in a list of all."""

    def __init__(self, met: list["Met"]) -> None:
        self._met = met
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._met.append(self)
        self.transport.write(b"here")


@contextlib.asynccontextmanager
async def letting_in(listener: socket.socket, met: list[Met], **options: Any) -> AsyncIterator[Acceptor]:
    made = Acceptor(lambda **given: Met(given["met"]), [listener], **options)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: made.protocol(met=met), sock=listener, ssl=options.get("tls"))
    try:
        yield made
    finally:
        await made.close()
        for each in met:
            assert each.transport is not None
            each.transport.abort()
        server.close()
        await asyncio.sleep(0)


async def turns_until(there: Any) -> int:
    """How often the loop turned until it was so."""
    turns = 0
    async with asyncio.timeout(20):
        while not there():
            turns += 1
            await asyncio.sleep(0)
    return turns


def run(awaitable: Any) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(awaitable)


def test_all_who_wait_are_let_in_within_a_few_turns(listener: socket.socket) -> None:
    met: list[Met] = []

    async def turns() -> int:
        with contextlib.closing(Waiting(listener, 200)):
            async with letting_in(listener, met):
                return await turns_until(lambda: len(met) == 200)

    assert run(turns()) < 20  # libuv alone takes one a turn


def test_not_more_are_taken_in_a_turn_than_the_bound(listener: socket.socket) -> None:
    met: list[Met] = []

    async def turns() -> int:
        with contextlib.closing(Waiting(listener, 40)):
            async with letting_in(listener, met, at_once=3):
                return await turns_until(lambda: len(met) == 40)

    assert run(turns()) >= 40 // 4


def test_those_who_have_left_meanwhile_do_no_harm(listener: socket.socket) -> None:
    met: list[Met] = []

    async def served() -> bytes:
        Waiting(listener, 50).close()
        with contextlib.closing(Waiting(listener, 1)) as waiting:
            async with letting_in(listener, met):
                waiting.clients[0].setblocking(False)
                async with asyncio.timeout(20):
                    return await asyncio.get_running_loop().sock_recv(waiting.clients[0], 4)

    assert run(served()) == b"here"


def test_those_whose_handshake_fails_or_never_comes_are_given_up(listener: socket.socket, tmp_path: Path) -> None:
    certificate = certificate_in(tmp_path)
    if certificate is None:
        missing("openssl")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, tmp_path / "key.pem")
    met: list[Met] = []

    async def opening() -> list[bytes]:
        with contextlib.closing(Waiting(listener, 9)) as waiting:
            for client in waiting.clients[:8]:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            async with letting_in(listener, met, tls=tls) as made:
                loop = asyncio.get_running_loop()
                for client in waiting.clients:
                    client.setblocking(False)
                async with asyncio.timeout(20):
                    ends = [await loop.sock_recv(client, 1000) for client in waiting.clients[:8]]
                await made.close()
                assert met == []
                return ends

    assert all(end == b"" or end[0] == 0x15 for end in run(opening()))  # closed, or a TLS alert
