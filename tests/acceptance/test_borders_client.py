# ruff: noqa: F811 - fixtures are imported, and pytest hands them over by their names
"""What the lane does with clients that lie, dribble, stall, hurry or leave. Raw sockets on one side, a fake upstream
on the other: what may not pass is never seen there."""

import asyncio
import gzip
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from remuda.gateway.lane import LaneProtocol
from remuda.testing.behaviour import Fault, Framing
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.raw import ASK, CHAT, STREAM, RawAnswer, RawClient, chunked, get, post
from tests.fixtures.shared import (  # noqa: F401
    gateway,
    gateway_before,
    started,
    upstream,
)

STANDING = {  # rows 35, 59-62
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "1; mode=block",
    "strict-transport-security": "max-age=31536000",
    "x-api-version": "v1.0.0",
}


pytestmark = pytest.mark.asyncio(loop_scope="module")


def assert_standing(answer: RawAnswer) -> None:
    for name, value in STANDING.items():
        assert [each for key, each in answer.headers if key == name] == [value], name
    assert len([key for key, _ in answer.headers if key == "x-request-id"]) == 1
    assert answer.header("date")


async def refusal(client: RawClient, status: int, code: str) -> RawAnswer:
    """The refusal that comes next, in OpenAI's shape; after it the connection is closed without another byte."""
    answer = await client.answer()
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.error["request_id"] == answer.header("x-request-id")
    assert answer.error["message"]
    assert answer.error["type"]
    assert answer.header("connection") == "close"
    assert_standing(answer)
    assert await client.ended() == b""
    return answer


HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n".encode()
LENGTH = b"Content-Length: %d\r\n" % len(ASK)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = post()
AMBIGUOUS = {
    "length and chunked": HEAD + LENGTH + CHUNKED + b"\r\n" + chunked() + SMUGGLED,
    "chunked and length": HEAD + CHUNKED + LENGTH + b"\r\n" + chunked() + SMUGGLED,
    "two lengths": HEAD + LENGTH + b"Content-Length: 0\r\n\r\n" + ASK + SMUGGLED,
    "the same length twice": HEAD + LENGTH + LENGTH + b"\r\n" + ASK + SMUGGLED,
    "a list of lengths": HEAD + b"Content-Length: 5, 5\r\n\r\n" + ASK + SMUGGLED,
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n" + ASK + SMUGGLED,
    "signed length": HEAD + b"Content-Length: +%d\r\n\r\n" % len(ASK) + ASK + SMUGGLED,
    "hexadecimal length": HEAD + b"Content-Length: 0x10\r\n\r\n" + ASK + SMUGGLED,
    "empty length": HEAD + b"Content-Length:\r\n\r\n" + ASK + SMUGGLED,
    "length in two parts": HEAD + b"Content-Length: 1 0\r\n\r\n" + ASK + SMUGGLED,
    "overflowing length": HEAD + b"Content-Length: 18446744073709551617\r\n\r\n" + ASK + SMUGGLED,
    "folded header": HEAD + b"X-A: b\r\n " + LENGTH + b"\r\n" + ASK + SMUGGLED,
    "folded length": HEAD + b"Content-Length:\r\n %d\r\n\r\n" % len(ASK) + ASK + SMUGGLED,
    "bare line feed": HEAD + b"X-A: b\n" + LENGTH + b"\r\n" + ASK + SMUGGLED,
    "bare carriage return": HEAD + b"X-A: b\r" + LENGTH + b"\r\n" + ASK + SMUGGLED,
    "bare line feed at the end": HEAD + LENGTH + b"\n" + ASK + SMUGGLED,
    "line feeds only": (HEAD + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + ASK + SMUGGLED,
    "nul in a value": HEAD + b"X-A: b\0c\r\n" + LENGTH + b"\r\n" + ASK + SMUGGLED,
    "space before the colon": HEAD + b"Content-Length : %d\r\n\r\n" % len(ASK) + ASK + SMUGGLED,
    "space before the name": HEAD + b" " + LENGTH + b"\r\n" + ASK + SMUGGLED,
    "no colon": HEAD + b"Content-Length %d\r\n\r\n" % len(ASK) + ASK + SMUGGLED,
    "another coding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n" + SMUGGLED,
    "chunked not last": HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + chunked(ASK) + SMUGGLED,
    "chunked after another": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked(ASK) + SMUGGLED,
    "chunked twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + chunked(ASK) + SMUGGLED,
    "identity": HEAD + b"Transfer-Encoding: identity\r\n" + LENGTH + b"\r\n" + ASK + SMUGGLED,
    "nearly chunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + chunked(ASK) + SMUGGLED,
    "chunked in quotes": HEAD + b'Transfer-Encoding: "chunked"\r\n\r\n' + chunked(ASK) + SMUGGLED,
    "chunk size that is none": HEAD + CHUNKED + b"\r\nxyz\r\n" + SMUGGLED,
    "chunk size below zero": HEAD + CHUNKED + b"\r\n-5\r\n" + SMUGGLED,
    "chunk size overflows": HEAD + CHUNKED + b"\r\n10000000000000005\r\nabcde\r\n0\r\n\r\n" + SMUGGLED,
    "chunk size with 0x": HEAD + CHUNKED + b"\r\n0x5\r\nabcde\r\n0\r\n\r\n" + SMUGGLED,
    "chunk longer than it says": HEAD + CHUNKED + b"\r\n5\r\nabcdefgh\r\n0\r\n\r\n" + SMUGGLED,
    "chunk ends in a bare line feed": HEAD + CHUNKED + b"\r\n5\nabcde\n0\n\n" + SMUGGLED,
    "unknown version": HEAD.replace(b"1.1", b"9.9") + LENGTH + b"\r\n" + ASK + SMUGGLED,
    "no version": f"POST {CHAT}\r\n\r\n".encode() + SMUGGLED,
    "junk": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SMUGGLED,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_a_request_that_can_be_read_in_two_ways_is_refused(
    name: str, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    async with RawClient(gateway.port) as client:
        client.say(AMBIGUOUS[name])
        await refusal(client, 400, "invalid_request")
    assert upstream.seen == []
    [record, *_] = await gateway.records()
    assert (record.status, record.fault) == (400, "invalid_request")


# Size and time


@pytest.mark.parametrize("path", [CHAT, "/v1/models"])
@pytest.mark.parametrize("is_dribbled", [False, True])
async def test_a_head_that_is_too_large(
    path: str, is_dribbled: bool, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    head = post(ASK, *(f"X-{number}: {'a' * 900}" for number in range(40)), path=path)
    async with RawClient(gateway.port) as client:
        for start in range(0, len(head), 5000 if is_dribbled else len(head)):
            client.say(head[start : start + 5000] if is_dribbled else head)
            await client.writer.drain()
        await refusal(client, 431, "head_too_large")
    assert upstream.seen == []


async def test_a_head_that_has_come_before(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    """What is answered without being parsed is answered as what is."""
    bodies = [ASK, ASK.replace(b"Hello", b"Hello again"), ASK.replace(b"Hello", b"x" * 5000), ASK]
    heads = gateway.remuda.lane.heads
    async with RawClient(gateway.port) as client:
        for body in bodies:
            client.say(post(body, "X-Own: 1"))
            answer = await client.answer()
            assert (answer.status, answer.is_whole) == (200, True)
            assert_standing(answer)
        assert heads.find(post(b"{}", "X-Own: 1")) is not None
        halves = post(bodies[1], "X-Own: 1")
        client.say(halves[:40])
        client.say(halves[40:])
        client.say(*[post(bodies[2], "X-Own: 1")] * 3)
        assert [(await client.answer()).status for _ in range(4)] == [200] * 4
        client.say(post(ASK, "X-Own: 1").replace(b"Content-Length: ", b"Content-Length: 1"))  # more than comes
        client.half_close()
        assert await client.ended() == b""
    assert [each.body for each in upstream.seen] == [*bodies, bodies[1], *[bodies[2]] * 3]


@pytest.mark.parametrize(
    "line", ["X-Request-Id: mine", "traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", "Expect: x"]
)
async def test_a_head_like_no_other_is_not_kept(line: str, gateway: RunningGateway) -> None:
    request = post(ASK, line, "X-Own: 2")
    async with RawClient(gateway.port) as client:
        for _ in range(2):
            client.say(request)
            assert (await client.answer()).status == 200
    assert gateway.remuda.lane.heads.find(request) is None


async def test_a_key_is_looked_at_with_each_request(gateway: RunningGateway) -> None:
    request = post(ASK, "Authorization: Bearer sk-passing")
    async with RawClient(gateway.port) as client:
        client.say(request)
        assert (await client.answer()).status == 200  # while there are no keys none is looked at
        gateway.remuda.gatekeeper.has_had_keys = True
        client.say(request)
        assert (await client.answer()).status == 401
        gateway.remuda.gatekeeper.has_had_keys = False


async def test_a_head_without_end(gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        client.say(HEAD, b"X-Endless: " + b"a" * 40_000)
        await refusal(client, 431, "head_too_large")


@pytest.mark.parametrize("first", [post(), get("/livez")])
async def test_a_head_that_is_too_large_behind_another_request(first: bytes, gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        client.say(first, post(ASK, *(f"X-{number}: {'a' * 900}" for number in range(40))))
        assert (await client.answer()).status == 200
        await refusal(client, 431, "head_too_large")
    async with RawClient(gateway.port) as client:
        client.say(first)
        assert (await client.answer()).status == 200
        client.say(post(ASK, *(f"X-{number}: {'a' * 900}" for number in range(40))))
        await refusal(client, 431, "head_too_large")


async def test_many_small_requests_are_no_large_head(gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        lines = [f"X-{number}: {'a' * 900}" for number in range(20)]
        for _ in range(4):
            client.say(post(ASK, *lines))
            assert (await client.answer()).status == 200
        client.say(*[post(ASK, *lines)] * 4)
        assert [(await client.answer()).status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("expect", [(), ("Expect: 100-continue",)])
async def test_a_body_that_announces_itself_too_large(
    expect: tuple[str, ...], gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    gateway.remuda.lane.limits = replace(gateway.remuda.lane.limits, body_bytes=1000)
    async with RawClient(gateway.port) as client:
        client.say(post(ASK + b" " * 1000, *expect))
        await refusal(client, 413, "body_too_large")
    assert upstream.seen == []


@pytest.mark.parametrize("pieces", [[b" " * 1001], [b" " * 300] * 4])
async def test_a_body_that_grows_too_large(pieces: list[bytes], gateway: RunningGateway) -> None:
    gateway.remuda.lane.limits = replace(gateway.remuda.lane.limits, body_bytes=1000)
    async with RawClient(gateway.port) as client:
        client.say(HEAD, CHUNKED, b"\r\n", *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces))
        await refusal(client, 413, "body_too_large")


async def test_a_refused_body_is_still_swallowed(gateway: RunningGateway) -> None:
    """Who still sends must be able to read why it was refused."""
    gateway.remuda.lane.limits = replace(gateway.remuda.lane.limits, body_bytes=1000)
    async with RawClient(gateway.port) as client:
        client.say(HEAD, b"Content-Length: 4000000\r\n\r\n")
        for _ in range(40):
            client.say(b" " * 100_000)
            await client.writer.drain()
        await refusal(client, 413, "body_too_large")


@pytest.mark.parametrize("beginning", [b"P", HEAD, b"GET /v1/mod", b"\r\nPOST"])
async def test_a_head_that_does_not_end_in_time(beginning: bytes, gateway: RunningGateway) -> None:
    gateway.remuda.lane.limits = replace(gateway.remuda.lane.limits, head_s=0.1)
    async with RawClient(gateway.port) as client:
        client.say(beginning)
        await refusal(client, 408, "request_timeout")


@pytest.mark.parametrize(
    "beginning",
    [
        post()[:-1],
        HEAD + CHUNKED + b"\r\n",
        HEAD + CHUNKED + b"\r\n5\r\nab",
        post(path="/v1/models")[:-1],
    ],
)
async def test_a_body_that_does_not_end_in_time(
    beginning: bytes, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    gateway.remuda.lane.limits = replace(gateway.remuda.lane.limits, body_s=0.1)
    async with RawClient(gateway.port) as client:
        client.say(beginning)
        if b"models" in beginning:  # an ordinary route need not wait for its body to answer
            assert (await client.answer()).status == 405
            assert await client.ended() == b""
        else:
            await refusal(client, 408, "request_timeout")
    assert upstream.seen == []


@pytest.mark.parametrize("said", [b"", post(), get("/livez"), post(b"{")])
async def test_an_idle_connection_is_closed(said: bytes, gateway: RunningGateway) -> None:
    gateway.remuda.lane.limits = replace(gateway.remuda.lane.limits, keep_alive_s=0.1)
    async with RawClient(gateway.port) as client:
        client.say(said)
        if said:
            assert (await client.answer()).is_whole
        assert await client.ended() == b""


async def test_a_slow_answer_is_no_idle_connection(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    gateway.remuda.lane.limits = replace(
        gateway.remuda.lane.limits, keep_alive_s=0.01, head_s=0.01, body_s=0.01, stalled_s=0.01
    )
    upstream.gate.hold()
    async with RawClient(gateway.port) as client:
        client.say(post())
        await upstream.gate.reached()
        before = gateway.remuda.lane.swept
        await gateway.until(lambda: gateway.remuda.lane.swept > before + 0.5, "two sweeps have passed")
        upstream.gate.release()
        assert (await client.answer()).status == 200


# A client that does not read


@pytest.mark.parametrize("body", [ASK, STREAM])
@pytest.mark.parametrize("framing", [Framing.AUTO, Framing.CLOSE])
async def test_an_unread_answer_is_held_within_bounds_and_passed_on_when_there_is_room(
    body: bytes, framing: Framing, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.behave(tokens=1, body_bytes=20_000_000, framing=framing)
    async with RawClient(gateway.port, receive_buffer=4096) as client:
        client.say(post(body))
        await gateway.until(lambda: any(each.is_write_paused for each in gateway.remuda.gateway.live), "paused")
        [exchange] = gateway.remuda.gateway.live
        assert exchange.transport.get_write_buffer_size() < 3_000_000
        assert upstream.completed == 0, "the upstream is held back too"
        answer = await client.answer()
        assert answer.is_whole
        assert len(answer.body) > 20_000_000


async def test_an_answer_that_stays_unread_is_cut(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    upstream.behave(tokens=1, body_bytes=20_000_000)
    async with RawClient(gateway.port, receive_buffer=4096) as client:
        client.say(post(STREAM, "X-Request-ID: unread"))
        await gateway.until(lambda: any(each.is_write_paused for each in gateway.remuda.gateway.live), "paused")
        gateway.remuda.lane.limits = replace(gateway.remuda.lane.limits, stalled_s=0.1)
        await upstream.aborted_count(1)
        await gateway.at_rest()
    [record] = [each for each in await gateway.records() if each.id == "unread"]
    assert (record.status, record.fault) == (499, "client_gone")


async def test_an_unread_answer_also_holds_back_the_one_behind_it(
    gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.behave(tokens=1, body_bytes=900_000)  # sent at once, whether there is room or not
    async with RawClient(gateway.port, receive_buffer=4096) as client:
        await gateway.until(lambda: gateway.remuda.lane.connections, "connected")
        [connection] = gateway.remuda.lane.connections
        answers = 0
        while not connection.flow.write_paused:
            answers += 1
            client.say(post())
            await upstream.completed_count(answers)
            await gateway.at_rest()
        upstream.behave(tokens=1, body_bytes=20_000_000)
        client.say(post(STREAM))
        await upstream.saw(answers + 1)
        await gateway.until(
            lambda: any(each.flow for each in gateway.remuda.gateway.live), "the answer has begun to come"
        )
        [exchange] = gateway.remuda.gateway.live
        assert exchange.is_write_paused
        assert exchange.transport.get_write_buffer_size() < 3_000_000
        assert upstream.completed == answers
        for _ in range(answers):
            assert len((await client.answer()).body) > 900_000
        assert len((await client.answer()).body) > 20_000_000


# Several requests on one connection


def ask(text: str, *, stream: bool = False) -> bytes:
    return ASK.replace(b"Hello", text.encode())[:-1] + (b',"stream":true}' if stream else b"}")


async def test_pipelined_requests_are_answered_in_order(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    requests = [
        post(ask("one"), "X-Request-ID: 1"),
        get("/livez", "X-Request-ID: 2"),
        post(ask("three", stream=True), "X-Request-ID: 3"),
        get("/v1/models", "X-Request-ID: 4"),
        get("/version", "X-Request-ID: 5"),
        post(b"{", "X-Request-ID: 6"),
        post(ask("seven"), "X-Request-ID: 7"),
        HEAD + CHUNKED + b"X-Request-ID: 8\r\n\r\n" + chunked(ASK[:9], ASK[9:]),
        get("/nothing", "X-Request-ID: 9", method="HEAD")[:-2] + b"\r\n",
    ][:8]
    async with RawClient(gateway.port) as client:
        for cut in (0, 1, 7, 61):  # in one piece, and in pieces
            data = b"".join(requests)
            if cut:
                for start in range(0, len(data), cut * 10):
                    client.say(data[start : start + cut * 10])
                    await asyncio.sleep(0)
            else:
                client.say(data)
            answers = [await client.answer() for _ in requests]
            assert [answer.header("x-request-id") for answer in answers] == [str(n) for n in range(1, 9)]
            assert [answer.status for answer in answers] == [200, 200, 200, 200, 200, 400, 200, 200]
            assert all(answer.is_whole for answer in answers)
    assert len(upstream.seen) == 16


@pytest.mark.parametrize("end", [b"", AMBIGUOUS["junk"]])
async def test_many_pipelined_refusals(end: bytes, gateway: RunningGateway, upstream: FakeUpstream) -> None:
    upstream.gate.hold(after_chunks=1)
    async with RawClient(gateway.port) as client:
        client.say(post(STREAM), post(b"{") * 400, end)
        await upstream.gate.reached()
        upstream.gate.release()
        assert (await client.answer()).events[-1] == "[DONE]"
        for _ in range(400):
            assert (await client.answer()).error["code"] == "invalid_json"
        if end:
            await refusal(client, 400, "invalid_request")


async def test_a_pipelined_request_waits_for_the_answer_before_it(
    gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.gate.hold(after_chunks=1)
    async with RawClient(gateway.port) as client:
        client.say(post(STREAM), post(), get("/livez"))
        await upstream.gate.reached()
        assert len(upstream.seen) == 1
        upstream.gate.release()
        assert (await client.answer()).events[-1] == "[DONE]"
        assert [(await client.answer()).status for _ in range(2)] == [200, 200]


async def streaming(gateway: RunningGateway, upstream: FakeUpstream) -> LaneProtocol:
    """The one connection, once its stream has begun."""
    await upstream.gate.reached()
    [exchange] = gateway.remuda.gateway.live
    await gateway.until(lambda: exchange.head_sent, "the stream has begun")
    assert isinstance(exchange.connection, LaneProtocol)
    return exchange.connection


@pytest.mark.parametrize("cut", [0, 1, 40, len(HEAD) + 20])
async def test_what_is_asked_while_a_stream_runs_is_read(
    cut: int, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    """A connection lets go of its parser when a stream begins, unless the next request has begun before."""
    upstream.gate.hold(after_chunks=2)
    following = post() + get("/livez")
    async with RawClient(gateway.port) as client:
        client.say(post(STREAM), following[:cut])
        connection = await streaming(gateway, upstream)
        assert (connection.parser is None) == (cut == 0)
        client.say(following[cut:])
        upstream.gate.release()
        assert (await client.answer()).events[-1] == "[DONE]"
        assert [(await client.answer()).status for _ in range(2)] == [200, 200]


async def test_nonsense_while_a_stream_runs_is_refused_after_it(
    gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.gate.hold(after_chunks=2)
    async with RawClient(gateway.port) as client:
        client.say(post(STREAM))
        await streaming(gateway, upstream)
        client.say(AMBIGUOUS["junk"])
        upstream.gate.release()
        assert (await client.answer()).events[-1] == "[DONE]"
        await refusal(client, 400, "invalid_request")


async def test_after_connection_close_nothing_is_read(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    upstream.gate.hold(after_chunks=2)
    async with RawClient(gateway.port) as client:
        client.say(post(STREAM, "Connection: close"))
        connection = await streaming(gateway, upstream)
        assert connection.parser is not None
        client.say(post())
        upstream.gate.release()
        assert b"[DONE]" in await client.ended()
    assert len(upstream.seen) == 1


async def test_what_was_asked_before_a_malformed_request_is_answered(
    gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.gate.hold(after_chunks=1)
    async with RawClient(gateway.port) as client:
        client.say(post(STREAM), get("/livez"), post(), AMBIGUOUS["junk"])
        await upstream.gate.reached()
        before = gateway.remuda.lane.swept
        await gateway.until(lambda: gateway.remuda.lane.swept > before + 2.5, "longer than a refusal lingers")
        upstream.gate.release()
        assert (await client.answer()).events[-1] == "[DONE]"
        assert (await client.answer()).status == 200
        assert (await client.answer()).status == 200
        await refusal(client, 400, "invalid_request")
    assert len(upstream.seen) == 2


@pytest.mark.parametrize("first", [post(STREAM), get("/livez")])
async def test_a_pipelined_body_that_is_too_large_or_too_slow_is_refused_in_its_turn(
    first: bytes, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    gateway.remuda.lane.limits = replace(gateway.remuda.lane.limits, body_bytes=1000)
    async with RawClient(gateway.port) as client:
        client.say(first, HEAD, CHUNKED, b"\r\n", chunked(b" " * 1001))
        assert (await client.answer()).status == 200
        await refusal(client, 413, "body_too_large")
    upstream.gate.hold(after_chunks=1)
    gateway.remuda.lane.limits = replace(gateway.remuda.lane.limits, body_s=0.1)
    async with RawClient(gateway.port) as client:
        client.say(first, post()[:-1])
        if first.startswith(b"POST"):
            await upstream.gate.reached()
            before = gateway.remuda.lane.swept
            await gateway.until(lambda: gateway.remuda.lane.swept > before + 0.5, "the body is late")
            upstream.gate.release()
        assert (await client.answer()).is_whole
        await refusal(client, 408, "request_timeout")


async def test_a_connection_is_used_again_after_refusals_of_whole_requests(gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        for request, status in [
            (post(b"{"), 400),
            (post(b'{"model":"none","messages":[]}'), 404),
            (post(b'{"model":1}'), 400),
            (post(ASK, "Content-Type: text/html"), 415),
            (post(ASK, "Content-Encoding: br"), 415),
            (post(ASK, "Origin: https://example.org"), 403),
            (get(CHAT), 405),
            (post(b"{}", path="/v1/rerank"), 400),
            (post(), 200),
        ]:
            client.say(request)
            answer = await client.answer()
            assert (answer.status, answer.header("connection")) == (status, None)
            assert_standing(answer)


async def test_who_says_close_gets_its_answer_and_the_end(gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, "Connection: close"))
        answer = await client.answer()
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert await client.ended() == b""
    async with RawClient(gateway.port) as client:
        client.say(post(STREAM, "Connection: close"), post())
        assert (await client.answer()).events[-1] == "[DONE]"
        await refusal(client, 400, "invalid_request")


# Expect


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_a_client_that_waits_to_be_asked_for_its_body(body: bytes, gateway: RunningGateway) -> None:
    request = post(body, "Expect: 100-continue")
    async with RawClient(gateway.port) as client:
        for _ in range(2):
            client.say(request[: -len(body)])
            assert (await client.answer()).status == 100
            client.say(body)
            assert (await client.answer()).status == 200


async def test_a_pipelined_client_is_asked_for_its_body_in_its_turn(gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(STREAM), post(ASK, "Expect: 100-continue")[: -len(ASK)])
        assert (await client.answer()).events[-1] == "[DONE]"
        assert (await client.answer()).status == 100
        client.say(ASK)
        assert (await client.answer()).status == 200


async def test_http_10_is_not_asked_to_go_on(gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, "Expect: 100-continue", version="1.0"))
        assert (await client.answer()).status == 200


# Clients that leave before their request is whole (the rest: test_cancellation.py)


@pytest.mark.parametrize("said", [b"", b"PO", HEAD, post()[:-3], HEAD + CHUNKED + b"\r\n5\r\nab"])
@pytest.mark.parametrize("way", ["close", "reset", "half-close"])
async def test_a_client_that_leaves_before_its_request_is_whole(
    said: bytes, way: str, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    async with RawClient(gateway.port) as client:
        await gateway.until(lambda: len(gateway.remuda.lane.connections) == 1, "connected")
        client.say(said)
        await client.writer.drain()
        if way == "half-close":
            client.half_close()
            assert await client.ended() == b""
        else:
            client.leave(reset=way == "reset")
        await gateway.until(lambda: not gateway.remuda.lane.connections, "the connection is gone")
    assert upstream.seen == []


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_a_client_that_closes_its_half_counts_as_gone(
    body: bytes, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.gate.hold()
    async with RawClient(gateway.port) as client:
        client.say(post(body, "X-Request-ID: half"))
        await upstream.gate.reached()
        client.half_close()
        await upstream.aborted_count(1)
        assert await client.ended() == b""
    await gateway.at_rest()
    record = next(each for each in await gateway.records() if each.id == "half")
    assert (record.status, record.fault) == (499, "client_gone")


async def test_a_client_that_closes_its_half_at_once_is_recorded_too(gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, "X-Request-ID: hasty"))
        client.half_close()
        await client.ended()
    await gateway.at_rest()
    assert [each.status for each in await gateway.records() if each.id == "hasty"] == [499]


# Bodies in other clothes


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize(
    "body",
    [
        chunked(ASK),
        chunked(*(ASK[n : n + 1] for n in range(len(ASK)))),
        b"%X;name=value\r\n%b\r\n000\r\nX-Trailer: yes\r\n\r\n" % (len(ASK), ASK),
    ],
)
async def test_chunked_bodies(body: bytes, gateway: RunningGateway, upstream: FakeUpstream) -> None:
    data = HEAD + CHUNKED + b"\r\n" + body
    async with RawClient(gateway.port) as client:
        client.say(data)
        assert (await client.answer()).status == 200
        for start in range(0, len(data), 3):
            client.say(data[start : start + 3])
            await asyncio.sleep(0)
        assert (await client.answer()).status == 200
    assert [seen.body for seen in upstream.seen] == [ASK, ASK]


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", zipped(ASK)),
        ("x-gzip", zipped(ASK)),
        ("GZIP", zipped(ASK[:9]) + zipped(ASK[9:])),
        ("deflate", zlib.compress(ASK)),
        ("identity", ASK),
        ("", ASK),
    ],
)
async def test_compressed_bodies(  # row 72
    encoding: str, body: bytes, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(body, f"Content-Encoding: {encoding}"))
        assert (await client.answer()).status == 200
    assert [seen.body for seen in upstream.seen] == [ASK]
    assert upstream.seen[0].header("content-encoding") is None


@pytest.mark.parametrize(
    ("encoding", "body", "status", "code"),
    [
        ("gzip", ASK, 400, "invalid_request"),
        ("gzip", zipped(ASK)[:-9], 400, "invalid_request"),
        ("gzip", zipped(ASK)[:-8] + b"\0" * 8, 400, "invalid_request"),
        ("gzip", zipped(ASK) + b"junk", 400, "invalid_request"),
        ("gzip", zipped(b"") * 10_000, 400, "invalid_request"),
        ("gzip", zipped(b" " * 40_000_000), 413, "body_too_large"),
        ("deflate", zlib.compress(b" " * 40_000_000), 413, "body_too_large"),
        ("gzip", b"", 400, "invalid_json"),
        ("br", ASK, 415, "unsupported_media_type"),
        ("gzip, gzip", zipped(zipped(ASK)), 415, "unsupported_media_type"),
    ],
)
async def test_compressed_bodies_that_are_wrong(  # row 72
    encoding: str, body: bytes, status: int, code: str, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(body, f"Content-Encoding: {encoding}"))
        answer = await client.answer()
    assert (answer.status, answer.error["code"]) == (status, code)
    assert upstream.seen == []


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("application/vnd.api+json", 200),
        ("application/x-www-form-urlencoded", 200),  # curl -d
        ("text/html", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/xml", 415),
        ("x" * 500, 415),
    ],
)
async def test_content_types(content_type: str, status: int, gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, f"Content-Type: {content_type}"))
        assert (await client.answer()).status == status


# HTTP/1.0, other methods, other addresses


@pytest.mark.parametrize("line", [(), ("Connection: keep-alive",)])
async def test_http_10(line: tuple[str, ...], gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, *line, version="1.0"))
        answer = await client.answer()
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert answer.json()["choices"][0]["finish_reason"] == "stop"
        assert await client.ended() == b""
    async with RawClient(gateway.port) as client:
        client.say(post(STREAM, *line, version="1.0"))
        answer = await client.answer()
        assert (answer.header("connection"), answer.header("transfer-encoding")) == ("close", None)
        assert answer.events[-1] == "[DONE]"


async def test_http_10_streams_that_break_off_say_so(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    upstream.behave(fault=Fault.DROP_MID_STREAM)
    async with RawClient(gateway.port) as client:
        client.say(post(STREAM, version="1.0"))
        assert (await client.answer()).events[-1]["error"]["code"] == "stream_cut"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_taken_on_lane_paths(
    method: str, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    async with RawClient(gateway.port) as client:
        client.say(get(CHAT, method=method))
        if method == "HEAD":
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 405 ")
        else:
            answer = await client.answer()
            assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
            assert "POST" in (answer.header("allow") or "")
        client.say(post())
        assert (await client.answer()).status == 200, "nothing of the last answer is left over"
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("query", ["?", "?api-version=2024-06-01", "?a=%20&b=c#d"])
async def test_queries_on_lane_paths_change_nothing(
    query: str, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(path=CHAT + query))
        assert (await client.answer()).status == 200
    assert upstream.seen[0].target == CHAT


@pytest.mark.parametrize("kind", ["websocket", "h2c", "anything"])
@pytest.mark.parametrize("limit", [1000, 10])  # what is refused is not upgraded either
async def test_an_upgrade_is_not_taken_on_lane_paths(
    kind: str, limit: int, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    gateway.remuda.lane.limits = replace(gateway.remuda.lane.limits, body_bytes=limit)
    lines = (f"Upgrade: {kind}", "Connection: Upgrade", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, *lines), post())
        answer = await client.answer()
        if limit == 10:
            assert answer.status == 413
            assert await client.ended() == b""
        else:
            assert answer.status == 200
            assert (await client.answer()).status == 200
    assert [seen.body for seen in upstream.seen] == ([ASK, ASK] if limit == 1000 else [])


async def test_a_websocket_behind_an_answer_under_way_is_not_opened(
    gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    upstream.gate.hold(after_chunks=1)
    lines = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
    async with RawClient(gateway.port) as client:
        client.say(post(STREAM), get("/v1/nothing", *lines))
        await upstream.gate.reached()
        upstream.gate.release()
        assert (await client.answer()).events[-1] == "[DONE]"
        assert await client.ended() == b""


# Who may come in


@pytest.mark.parametrize(
    "line", ["Host: example.org", "Host: 127.0.0.1.example.org", "Origin: https://example.org", "Origin: null"]
)
async def test_pages_from_elsewhere_are_not_served(line: str, gateway: RunningGateway, upstream: FakeUpstream) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, line))
        answer = await client.answer()
    assert (answer.status, answer.error["code"]) == (403, "foreign_origin")
    assert upstream.seen == []


async def test_keys(upstream: FakeUpstream, tmp_path: Path) -> None:  # row 58
    secret = "a-key-of-my-own-choice"
    async with gateway_before(upstream, data_dir=tmp_path, auth={"api_keys": [secret]}) as gateway:
        for lines, query, status, code in [
            ([], "", 401, "missing_api_key"),
            ([], f"?api_key={secret}", 401, "missing_api_key"),
            (["Authorization: Basic abc"], "", 401, "missing_api_key"),
            (["Authorization: Bearer wrong"], "", 401, "invalid_api_key"),
            (["Authorization: Bearer"], "", 401, "missing_api_key"),
            (["X-API-Key: wrong"], "", 401, "invalid_api_key"),
            (["X-API-Key: " + "x" * 600], "", 401, "invalid_api_key"),
            (["X-API-Key: " + secret, "Authorization: Bearer wrong"], "", 401, "invalid_api_key"),
            ([f"Authorization: Bearer {secret}"], "", 200, ""),
            ([f"authorization: bearer {secret}"], "", 200, ""),
            ([f"x-api-key: {secret}", "Host: example.org", "Origin: https://example.org"], "", 200, ""),
        ]:
            async with RawClient(gateway.port) as client:
                client.say(post(ASK, *lines, path=CHAT + query))
                answer = await client.answer()
            assert answer.status == status, lines
            if code:
                assert answer.error["code"] == code, lines
                assert answer.header("www-authenticate") == "Bearer"
    assert len(upstream.seen) == 3
    for seen in upstream.seen:
        assert not {"authorization", "x-api-key", "origin"} & {name.lower() for name, _ in seen.headers}


# Heads


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("mine-1", True), ("a" * 128, True), ("a" * 129, False), ("a b", False), ("<x>", False), ("", False)],
)
async def test_request_ids_are_kept_where_they_are_safe(
    given: str, is_kept: bool, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, f"X-Request-ID: {given}"))
        answer = await client.answer()
    name = answer.header("x-request-id") or ""
    assert (name == given) is is_kept
    assert is_kept or name.startswith("req_")
    assert upstream.seen[0].header("x-request-id") == name


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_heads(body: bytes, gateway: RunningGateway, upstream: FakeUpstream) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with RawClient(gateway.port) as client:
        client.say(post(body, f"traceparent: {trace}", "Cookie: a=b", "X-Forwarded-Proto: https", "TE: trailers"))
        answer = await client.answer()
    assert_standing(answer)
    assert answer.header("x-remuda-replica") == "one/fake"
    assert float(answer.header("x-remuda-overhead-ms") or "-1") >= 0
    names = [name for name, _ in answer.headers]
    assert len(names) == len(set(names))
    assert "server" not in names
    [seen] = upstream.seen
    assert seen.header("traceparent") == trace
    assert not {"cookie", "x-forwarded-proto", "te"} & {name.lower() for name, _ in seen.headers}
    if body is STREAM:
        assert answer.header("content-type") == "text/event-stream; charset=utf-8"
        assert answer.header("cache-control") == "no-cache"


TRACE = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("lines", "passed_on"),
    [
        ([TRACE, "tracestate: rojo=1", "tracestate: congo=2,"], "rojo=1,congo=2"),
        ([TRACE, "tracestate: rojo=1", "Tracestate: Congo=2"], None),
        ([TRACE, "tracestate: " + ",".join(f"a{number}=1" for number in range(33))], None),
        ([TRACE, "tracestate: " + ",".join(f"a{number}={'x' * 100}" for number in range(6))], "four"),
        ([TRACE, "tracestate:"], None),
        (["tracestate: rojo=1"], None),
        (["traceparent: " + "0" * 200, "tracestate: rojo=1"], None),
    ],
)
async def test_tracestate(
    lines: list[str], passed_on: str | None, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    if passed_on == "four":
        passed_on = ",".join(f"a{number}={'x' * 100}" for number in range(4))
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, *lines))
        assert (await client.answer()).status == 200
    assert upstream.seen[0].header("tracestate") == passed_on


async def test_a_traceparent_that_is_too_long_is_not_passed_on(gateway: RunningGateway, upstream: FakeUpstream) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, "traceparent: " + "0" * 200))
        assert (await client.answer()).status == 200
    assert upstream.seen[0].header("traceparent") is None


@pytest.mark.parametrize(
    "lines", [(), ("Host: localhost", "Host: localhost"), ("Host: localhost", "Host: example.org")]
)
async def test_a_request_names_its_host_once(
    lines: tuple[str, ...], gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    head = [f"POST {CHAT} HTTP/1.1", f"Content-Length: {len(ASK)}", *lines]
    async with RawClient(gateway.port) as client:
        client.say("\r\n".join(head).encode() + b"\r\n\r\n" + ASK)
        assert (await client.answer()).status == 400
        assert await client.ended() == b""
    assert upstream.seen == []
