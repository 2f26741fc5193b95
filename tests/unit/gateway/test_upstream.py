"""The upstream's side of a relay: whatever way its bytes are cut, the same answer comes out."""

import asyncio
import ssl
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remuda.core.address import Address, parse_address
from remuda.core.faults import Fault, StreamCut, UpstreamFailed
from remuda.gateway.upstream import EARLY_BODY_BYTES, MAX_HEAD_BYTES, Pool, UpstreamConnection
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.parts import missing
from tests.fixtures.raw import RawUpstream, certificate_in

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nServer: x\r\n"


class Wire:
    """A transport that only remembers."""

    def __init__(self) -> None:
        self.sent = b""
        self.is_paused = False
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 0

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def abort(self) -> None:
        self.is_aborted = True


class Collector:
    """A receiver that only remembers."""

    def __init__(self) -> None:
        self.data = b""
        self.pieces = 0
        self.ends = 0
        self.fault: Fault | None = None

    def body(self, data: bytes) -> None:
        self.data += data
        self.pieces += 1

    def end(self) -> None:
        self.ends += 1

    def cut(self, fault: Fault) -> None:
        self.fault = fault


@pytest.fixture(scope="module")
def loop() -> Any:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def connected(loop: asyncio.AbstractEventLoop) -> tuple[UpstreamConnection, Wire, Pool]:
    pool = Pool(parse_address("http://127.0.0.1:1"), loop)
    connection, wire = UpstreamConnection(pool, loop), Wire()
    connection.connection_made(wire)  # type: ignore[arg-type]
    return connection, wire, pool


def told(loop: asyncio.AbstractEventLoop, pieces: list[bytes], *, attach_after: int = 0) -> dict[str, Any]:
    """All that a relay learns of an answer that comes in these pieces and ends with the connection."""
    connection, _, _ = connected(loop)
    head = connection.send(b"POST / HTTP/1.1\r\n\r\n")
    collector = Collector()
    is_attached = False
    for number, piece in enumerate(pieces):
        if connection.is_open:
            connection.data_received(piece)
        if not is_attached and head.is_set and head.fault is None and number >= attach_after:
            is_attached = True
            connection.attach(collector)
    if not connection.is_complete and connection.is_open:
        connection.eof_received()
    connection.connection_lost(None)
    if not is_attached and head.is_set and head.fault is None:
        connection.attach(collector)
    fault = head.fault
    cut = collector.fault or fault
    return {
        "status": connection.status,
        "headers": connection.header_lines,
        "body": collector.data,
        "ends": collector.ends,
        "fault": type(cut) if cut else None,
    }


def chunks(*bodies: bytes, extension: bytes = b"", end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x%b\r\n%b\r\n" % (len(body), extension, body) for body in bodies) + end


EVENT = b'data: {"choices":[]}\n\n'
ANSWERS = {
    "length": (HEAD + b"Content-Length: 11\r\n\r\nhello world", b"hello world", None),
    "nothing": (HEAD + b"Content-Length: 0\r\n\r\n", b"", None),
    "chunked": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(EVENT, EVENT * 3, b"x"), EVENT * 4 + b"x", None),
    "extensions and trailers": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(EVENT, extension=b";a=b", end=b"00\r\nX-T: y\r\n\r\n"),
        EVENT,
        None,
    ),
    "until it closes": (HEAD + b"\r\nhello", b"hello", None),
    "HTTP/1.0": (HEAD.replace(b"1.1", b"1.0") + b"\r\nhello", b"hello", None),
    "interim": (
        b"HTTP/1.1 103 Early Hints\r\nContent-Type: x\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok",
        b"ok",
        None,
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", None),
    "short": (HEAD + b"Content-Length: 12\r\n\r\nhello world", b"hello world", StreamCut),
    "cut between chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(EVENT, end=b""), EVENT, StreamCut),
    "cut in a size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(EVENT, end=b"1"), EVENT, StreamCut),
    "cut in a head": (HEAD, b"", UpstreamFailed),
    "nothing at all": (b"", b"", UpstreamFailed),
}


@pytest.mark.parametrize("name", ANSWERS)
@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 220), max_size=12), attach_after=st.integers(0, 14))
def test_any_split_of_the_bytes_gives_the_same_answer(
    name: str, loop: asyncio.AbstractEventLoop, cuts: list[int], attach_after: int
) -> None:
    data, body, fault = ANSWERS[name]
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    got = told(loop, pieces, attach_after=attach_after)
    assert got["body"] == body
    assert got["fault"] == fault
    assert got["ends"] == (fault is None)
    if fault is None and name != "no content":
        assert got["status"] == 200
        assert got["headers"] == b"content-type: text/event-stream\r\n"


def test_byte_by_byte(loop: asyncio.AbstractEventLoop) -> None:
    for data, body, fault in ANSWERS.values():
        got = told(loop, [data[n : n + 1] for n in range(len(data))])
        assert (got["body"], got["fault"]) == (body, fault)


def test_one_read_is_one_piece(loop: asyncio.AbstractEventLoop) -> None:
    connection, _, _ = connected(loop)
    connection.send(b"x")
    connection.data_received(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    collector = Collector()
    connection.attach(collector)
    connection.data_received(chunks(b"a", b"b", b"c", end=b""))
    assert (collector.data, collector.pieces) == (b"abc", 1)


@pytest.mark.parametrize(
    "surplus", [HEAD, b"HTTP/1.1 200 OK\r\nContent-Type: text/evil\r\n", HEAD + b"Content-Length: 4\r\n\r\nevil", b"x"]
)
def test_a_second_answer_is_a_fault(surplus: bytes, loop: asyncio.AbstractEventLoop) -> None:
    connection, wire, _ = connected(loop)
    head = connection.send(b"x")
    connection.data_received(HEAD + b"Content-Length: 2\r\n\r\nok" + surplus)
    assert isinstance(head.fault, UpstreamFailed)
    assert wire.is_aborted


def test_a_head_beyond_the_bound_is_a_fault(loop: asyncio.AbstractEventLoop) -> None:
    connection, wire, _ = connected(loop)
    head = connection.send(b"x")
    connection.data_received(HEAD)
    for _ in range(MAX_HEAD_BYTES // 1000 + 2):
        if connection.is_open:
            connection.data_received(b"X-Long: %b\r\n" % (b"a" * 990))
    assert isinstance(head.fault, UpstreamFailed)
    assert wire.is_aborted


def test_an_early_body_is_held_within_bounds(loop: asyncio.AbstractEventLoop) -> None:
    connection, wire, _ = connected(loop)
    connection.send(b"x")
    connection.data_received(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * EARLY_BODY_BYTES)
    assert wire.is_paused
    collector = Collector()
    connection.attach(collector)
    assert not wire.is_paused
    assert collector.data == b"x" * EARLY_BODY_BYTES


def test_a_connection_is_kept_only_after_a_whole_answer(loop: asyncio.AbstractEventLoop) -> None:
    whole = HEAD + b"Content-Length: 2\r\n\r\nok"
    for answer, is_kept in [
        (whole, True),
        (HEAD + b"Content-Length: 3\r\n\r\nok", False),
        (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", False),
        (HEAD + b"\r\nok", False),
        (whole.replace(b"1.1", b"1.0"), False),
    ]:
        connection, wire, pool = connected(loop)
        connection.send(b"x")
        connection.data_received(answer)
        connection.release()
        assert (pool.take() is connection) is is_kept
        assert wire.is_aborted is not is_kept
    connection, wire, pool = connected(loop)
    connection.send(b"x")
    connection.data_received(whole)
    connection.release(is_reusable=False)
    assert pool.take() is None


LINES = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRetry-After: 3\r\nX-Own: 1\r\nContent-Length: "


def test_an_answer_whose_head_has_come_before_is_what_a_parser_makes_of_it(loop: asyncio.AbstractEventLoop) -> None:
    connection, _, pool = connected(loop)
    made: list[tuple[object, ...]] = []
    for body in (b"{}", b'{"n": 2}', b"", b"{}"):
        head = connection.send(b"x")
        connection.data_received(LINES + b"%d\r\n\r\n%b" % (len(body), body))
        assert head.is_set
        assert (connection.content_length, connection.take_body()) == (len(body), body)
        made.append((connection.status, connection.header_lines, connection.retry_after, connection.is_event_stream))
        connection.release()
        assert pool.take() is connection  # it was kept
    assert len(pool.heads) == 1
    assert made == [(200, b"content-type: application/json\r\nretry-after: 3\r\n", b"3", False)] * 4


@pytest.mark.parametrize(
    "odd",
    [b"2\r\n\r\nok and more", b"02\r\n\r\nok", b"2\r\nContent-Length: 3\r\n\r\nok", b"9\r\n\r\nok", b"-2\r\n\r\nok"],
)
def test_nothing_else_is_taken_for_such_an_answer(odd: bytes, loop: asyncio.AbstractEventLoop) -> None:
    connection, wire, pool = connected(loop)
    connection.send(b"x")
    connection.data_received(LINES + b"2\r\n\r\nok")
    connection.release()
    assert len(pool.heads) == 1
    head = connection.send(b"x")
    connection.data_received(LINES + odd)
    if odd.startswith((b"9", b"02")):  # the rest is waited for; a nought before a number makes it no other
        assert head.is_set
        assert connection.is_complete is odd.startswith(b"02")
    else:
        assert isinstance(head.fault, UpstreamFailed)
        assert wire.is_aborted


def test_one_whose_answer_ends_while_it_is_not_read_is_kept_and_read_again(loop: asyncio.AbstractEventLoop) -> None:
    connection, wire, pool = connected(loop)
    connection.send(b"x")
    connection.pause_reading()  # what was read before that is still handed on
    connection.data_received(HEAD + b"Content-Length: 2\r\n\r\nok")
    assert wire.is_paused
    connection.release()
    assert not wire.is_paused, "or nobody would notice when the server closes it"
    assert pool.take() is connection


def test_heads_of_other_answers_are_not_kept(loop: asyncio.AbstractEventLoop) -> None:
    for answer in (
        b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ):
        connection, _, pool = connected(loop)
        connection.send(b"x")
        connection.data_received(answer)
        assert connection.is_complete
        assert len(pool.heads) == 0


def test_bytes_on_an_idle_connection_end_it(loop: asyncio.AbstractEventLoop) -> None:
    connection, wire, pool = connected(loop)
    connection.send(b"x")
    connection.data_received(HEAD + b"Content-Length: 2\r\n\r\nok")
    connection.release()
    connection.data_received(HEAD + b"Content-Length: 4\r\n\r\nevil")
    assert wire.is_aborted
    assert pool.take() is None


def test_idle_connections_are_closed_by_age(loop: asyncio.AbstractEventLoop) -> None:
    connection, wire, pool = connected(loop)
    connection.send(b"x")
    connection.data_received(HEAD + b"Content-Length: 2\r\n\r\nok")
    connection.release()
    pool.close_idle(connection.idle_since)
    assert len(pool) == 1
    pool.close_idle(connection.idle_since + 1)
    assert len(pool) == 0
    assert wire.is_aborted


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "unix:/none/such", "http://none.invalid:1"])
async def test_a_server_that_is_not_there_is_a_fault(url: str) -> None:
    with pytest.raises(UpstreamFailed, match="cannot be reached") as caught:
        await Pool(parse_address(url), asyncio.get_running_loop()).dial()
    assert caught.value.is_unsent, "it may be waited for"


async def test_plain_bytes_where_tls_was_expected_are_a_fault() -> None:
    async with RawUpstream("x") as server:
        pool = Pool(parse_address(server.url.replace("http:", "https:")), asyncio.get_running_loop())
        pool.connect_timeout_s = 0.2
        with pytest.raises(UpstreamFailed):
            await pool.dial()


async def test_an_untrusted_certificate_is_a_fault(tmp_path: Path) -> None:
    certificate = certificate_in(tmp_path)
    if certificate is None:
        missing("openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    async with FakeUpstream(tls=context) as server:
        address = parse_address(server.url)
        loop = asyncio.get_running_loop()
        with pytest.raises(UpstreamFailed, match="SSLCertVerificationError"):
            await Pool(address, loop).dial()
        trusting = ssl.create_default_context(cafile=str(certificate))
        connection = await Pool(address, loop, ssl_context=trusting).dial()
        connection.abort()


async def test_requests_of_one_turn_are_written_together_and_soon() -> None:
    loop = asyncio.get_running_loop()
    pool = Pool(parse_address("http://127.0.0.1:1"), loop)
    wires = [Wire(), Wire(), Wire()]
    connections = [UpstreamConnection(pool, loop) for _ in wires]
    for connection, wire in zip(connections, wires, strict=True):
        connection.connection_made(wire)  # type: ignore[arg-type]
        connection.send(b"x")
    connections[1].abort()
    assert [wire.sent for wire in wires] == [b"", b"", b""]
    await asyncio.sleep(0)
    assert [wire.sent for wire in wires] == [b"x", b"", b"x"], "what was given up meanwhile is not asked any more"
    connections[0].write(b"y")
    assert wires[0].sent == b"xy"


@pytest.mark.parametrize("exc", [None, ConnectionResetError()])
async def test_a_connection_lost_before_it_is_sent_anything_fails_its_request(exc: Exception | None) -> None:
    loop = asyncio.get_running_loop()
    connection, wire, _ = connected(loop)
    connection.connection_lost(exc)  # as a server does that is killed when it has just accepted
    async with asyncio.timeout(10):
        with pytest.raises(UpstreamFailed, match="closed the connection without an answer") as raised:
            await connection.send(b"x")
    assert raised.value.is_hang_up
    assert wire.sent == b""


async def test_a_given_address_is_checked_at_each_connection() -> None:
    loop = asyncio.get_running_loop()
    async with FakeUpstream() as server:
        connection = await Pool(Address("localhost", server.port, is_given=True), loop).dial()
        connection.abort()
        # Where it is not checked, the server would be reached there.
        with pytest.raises(UpstreamFailed, match="AddressRefused"):
            await Pool(Address("0.0.0.0", server.port, is_given=True), loop).dial()


async def test_a_given_name_is_looked_up_for_each_connection_and_all_its_addresses_are_tried() -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2", "127.0.0.1"]  # nobody listens at the first

    async with FakeUpstream() as server:
        pool = Pool(Address("gpu.example", server.port, is_given=True), asyncio.get_running_loop(), resolve=resolve)
        for _ in range(2):
            (await pool.dial()).abort()
    assert asked == ["gpu.example", "gpu.example"]
    with pytest.raises(UpstreamFailed, match="ConnectionRefusedError"):
        await pool.dial()
