"""One exchange: how its answer is framed, and how it ends."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import ClientGone, Fault, ShuttingDown, StreamCut, UpstreamSilent
from remuda.dialects.openai.face import OpenAIFace
from remuda.gateway.exchange import LAST_CHUNK, Exchange
from remuda.gateway.face import LaneRoute
from remuda.gateway.outlet import MUCH, Outlet

ROUTE = LaneRoute("/v1/chat/completions", OpenAIFace(), Operation.CHAT)


class Client:
    """A connection and its transport, which only remember."""

    peer = ("127.0.0.1", 1)

    def __init__(self, much: int = MUCH) -> None:
        self.sent = b""
        self.done = 0
        self.is_aborted = False
        self.outlet = Outlet(cast(asyncio.AbstractEventLoop, self), most=1, much=much)

    def standing_block(self) -> bytes:
        return b"date: today\r\n"

    def write(self, data: bytes) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.is_aborted

    def call_soon(self, callback: Callable[[], None]) -> None:
        """As a loop that does not turn."""

    def abort(self) -> None:
        self.is_aborted = True

    def exchange_streams(self, exchange: Exchange) -> None:
        self.streams = True

    def exchange_done(self, exchange: Exchange) -> None:
        self.done += 1


class Flow:
    def __init__(self) -> None:
        self.reads = 0
        self.is_paused = False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


def begun(*, keep_alive: bool = True, is_http10: bool = False, much: int = MUCH) -> tuple[Exchange, Client]:
    client = Client(much)
    transport = cast(asyncio.Transport, client)
    exchange = Exchange(client, transport, ROUTE, [], None, keep_alive, is_http10)
    exchange.identify("req_1")
    return exchange, client


@pytest.mark.parametrize("then", ["piece", "end", "comment"])
def test_what_waits_to_be_written_comes_before_what_is_written_now(then: str) -> None:
    exchange, client = begun()
    exchange.start(200, b"", None)
    if then == "comment":
        exchange.is_kept_alive = True
    head = len(client.sent)
    client.outlet = Outlet(cast(asyncio.AbstractEventLoop, client), most=8)
    client.outlet.put(exchange.transport, b"waits;")
    assert len(client.sent) == head
    if then == "piece":
        exchange.write(b"now")
    elif then == "end":
        exchange.finish(b"now")
    else:
        exchange.keep_alive_comment(b"now")
    assert client.sent[head:].startswith(b"waits;")
    assert b"now" in client.sent[head + 6 :]


@pytest.mark.parametrize("meanwhile", ["", "the client does not keep up", "the client has left", "it is over"])
def test_one_that_rests_reads_on_unless_there_is_a_reason_not_to(meanwhile: str) -> None:
    exchange, client = begun()
    flow = Flow()
    exchange.watch(flow, 10.0)
    exchange.rest()
    assert flow.is_paused
    if meanwhile == "the client does not keep up":
        exchange.pause_writing()
    elif meanwhile == "the client has left":
        exchange.client_left(ClientGone(), 1.0)
    elif meanwhile == "it is over":
        exchange.unwatch()
    client.outlet.end_turn()
    assert flow.is_paused is bool(meanwhile)


def test_one_whose_client_does_not_keep_up_need_not_rest() -> None:
    exchange, client = begun()
    flow = Flow()
    exchange.watch(flow, 10.0)
    exchange.pause_writing()
    exchange.rest()
    exchange.resume_writing()
    assert not flow.is_paused
    client.outlet.end_turn()
    assert not flow.is_paused


def test_a_whole_answer() -> None:
    exchange, client = begun()
    exchange.answer(200, b"content-type: x\r\n", b"body")
    head, _, body = client.sent.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: x\r\ndate: today\r\n")
    assert b"\r\ncontent-length: 4" in head
    assert b"\r\nx-request-id: req_1" in head
    assert b"connection:" not in head
    assert body == b"body"
    assert (exchange.bytes_out, client.done) == (len(client.sent), 1)
    exchange.answer(200, b"", b"again")
    assert client.done == 1, "one answer to one request"


@pytest.mark.parametrize("status", [200, 299, 499, 599])
def test_any_status_has_a_line(status: int) -> None:
    exchange, client = begun(keep_alive=False)
    exchange.answer(status, b"", b"")
    assert client.sent.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nconnection: close\r\n" in client.sent


@pytest.mark.parametrize(
    ("is_http10", "length", "framing"),
    [
        (False, None, b"transfer-encoding: chunked"),
        (False, 9, b"content-length: 9"),
        (True, 9, b"content-length: 9"),
        (True, None, b"connection: close"),
    ],
)
def test_framing(is_http10: bool, length: int | None, framing: bytes) -> None:
    exchange, client = begun(is_http10=is_http10)
    is_chunked = exchange.start(200, b"", length)
    assert is_chunked is (framing == b"transfer-encoding: chunked")
    assert framing in client.sent
    assert (b"content-length" in client.sent) is (length is not None)
    exchange.finish(LAST_CHUNK if is_chunked else b"")
    assert client.done == 1


def test_nothing_is_sent_to_who_has_left() -> None:
    exchange, client = begun()
    exchange.client_left(ClientGone(), 5.0)
    exchange.answer(200, b"", b"body")
    exchange.start(200, b"", None)
    exchange.finish(b"x")
    exchange.break_off()
    assert (client.sent, client.done, client.is_aborted, exchange.left_at) == (b"", 0, False, 5.0)


def test_an_answer_that_is_broken_off_has_no_end() -> None:
    exchange, client = begun()
    exchange.start(200, b"", 100)
    exchange.break_off()
    assert client.is_aborted
    assert not client.done


def test_the_first_interruption_counts() -> None:
    class Drive:
        cancels = 0

        def cancel(self) -> None:
            self.cancels += 1

    exchange, _ = begun()
    exchange.drive = drive = Drive()
    exchange.interrupt(ShuttingDown())
    exchange.interrupt(ClientGone())
    assert isinstance(exchange.interruption, ShuttingDown)
    assert drive.cancels == 1


@pytest.mark.parametrize("first", [UpstreamSilent(), StreamCut()])
def test_an_interruption_by_the_upstream_gives_way_as_it_may_be_no_end(first: Fault) -> None:
    exchange, _ = begun()
    exchange.interrupt(first)
    exchange.interrupt(ShuttingDown())
    exchange.interrupt(ClientGone())
    assert isinstance(exchange.interruption, ShuttingDown)


def test_what_is_answered_is_not_interrupted() -> None:
    exchange, _ = begun()
    exchange.answer(200, b"", b"")
    exchange.interrupt(ClientGone())
    assert exchange.interruption is None


def test_expiry() -> None:
    exchange, _ = begun()
    exchange.check(1000.0)
    exchange.expires_at, exchange.expiry_fault = 5.0, UpstreamSilent
    exchange.check(4.9)
    assert exchange.interruption is None
    exchange.check(5.0)
    assert isinstance(exchange.interruption, UpstreamSilent)


def test_silence_counts_from_the_last_read_and_not_while_the_client_is_slow() -> None:
    exchange, _ = begun()
    flow = Flow()
    exchange.watch(flow, 10.0)
    exchange.check(0.0)
    flow.reads += 1
    exchange.check(9.0)
    exchange.check(18.0)
    assert exchange.interruption is None
    exchange.pause_writing()
    assert flow.is_paused
    exchange.check(100.0)
    exchange.resume_writing()
    assert not flow.is_paused
    exchange.check(109.0)
    assert exchange.interruption is None
    exchange.check(110.0)
    assert isinstance(exchange.interruption, StreamCut)
    exchange.unwatch()
    exchange.pause_writing()
    assert not flow.is_paused


def test_a_refusal_is_said_in_the_routes_dialect() -> None:
    exchange, client = begun()
    assert exchange.refuse(ShuttingDown(retry_after_s=3)) == 503
    assert b"\r\nretry-after: 3\r\n" in client.sent
    assert b'"request_id":"req_1"' in client.sent
    exchange, client = begun()
    assert exchange.refuse(Fault()) == 500


def test_nothing_is_read_any_more_for_a_client_that_left() -> None:
    exchange, _ = begun()
    flow = Flow()
    exchange.watch(flow, 10.0)
    exchange.client_left(ClientGone(), 1.0)
    assert flow.is_paused


def test_comments_before_the_answer_do_not_tell_who_has_failed_it_and_are_not_piled_up():
    exchange, client = begun()
    exchange.replica_block = b"x-remuda-replica: one\r\n"
    assert exchange.keep_alive_comment(b": waiting\n\n")
    head, _, body = client.sent.partition(b"\r\n\r\n")
    assert b"x-remuda-replica" not in head
    assert b"content-type: text/event-stream" in head
    assert body == b"b\r\n: waiting\n\n\r\n"
    exchange.pause_writing()
    before = len(client.sent)
    assert not exchange.keep_alive_comment(b": waiting\n\n")
    assert len(client.sent) == before, "who does not read gets no more of them"
    exchange.resume_writing()
    assert exchange.keep_alive_comment(b": waiting\n\n")
    assert exchange.start(200, b"content-type: text/event-stream\r\n", None), "the pieces are framed"
    assert client.sent.count(b"HTTP/1.1 200") == 1
    exchange.watch(Flow(), 10.0)
    assert not exchange.keep_alive_comment(b": waiting\n\n"), "the answer is under way"
    exchange.unwatch()
    assert exchange.keep_alive_comment(b": waiting\n\n"), "it has broken off, and waits for somebody to go on"
    exchange.finish(LAST_CHUNK)
    assert not exchange.keep_alive_comment(b": waiting\n\n"), "the answer is complete"
