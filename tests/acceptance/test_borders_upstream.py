"""What becomes of answers when the model's server hangs, dies, lies or stammers: never a false end, and never a wait
without bound."""

import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from remuda.core.record import RequestRecord
from remuda.testing.behaviour import Fault, Framing, Packing, UsageMode
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.chaos import CALM, WAYS, Ending, Way, expected, judged
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.parts import missing
from tests.fixtures.raw import ASK, STREAM, RawAnswer, RawClient, RawUpstream, certificate_in, chunked, post
from tests.fixtures.shared import gateway_before

pytestmark = pytest.mark.asyncio(loop_scope="module")

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
WHOLE = b'{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}'
SOME = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"

PATIENT = {"breaker_failures": 0}
"""So many failures in a row, each a case of its own, would open every breaker."""


@dataclass
class Range:
    """A gateway and all its upstreams."""

    gateway: RunningGateway
    one: FakeUpstream
    """Serves `fake` alone."""
    left: FakeUpstream
    """Serves `pair` with `right`."""
    right: FakeUpstream
    raw: RawUpstream
    """Serves `raw`."""
    sock: FakeUpstream
    """Serves `sock`, on a unix socket."""
    tls: FakeUpstream | None
    """Serves `tls`."""

    @property
    def fakes(self) -> list[FakeUpstream]:
        return [each for each in (self.one, self.left, self.right, self.sock, self.tls) if each is not None]

    async def ask(self, model: str = "fake", *lines: str, **fields: Any) -> RawAnswer:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}], **fields}).encode()
        async with RawClient(self.gateway.port) as client:
            client.say(post(body, "X-Request-ID: asked", *lines))
            answer = await client.answer()
            assert answer.header("x-request-id") == "asked"
            return answer

    async def record(self) -> RequestRecord:
        await self.gateway.at_rest()
        return next(each for each in await self.gateway.records() if each.id == "asked")

    def hurry(self, model: str = "fake", **deadlines: float) -> None:
        """Set a model's deadlines."""
        found = self.gateway.remuda.fleet.look_up(model)
        assert found is not None
        for replica in found.replicas:
            replica.deadlines = replace(replica.deadlines, **deadlines)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Range]:
    place = tmp_path_factory.mktemp("range")
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        one = await enter(FakeUpstream())
        left, right = await enter(FakeUpstream(models=("pair",))), await enter(FakeUpstream(models=("pair",)))
        raw = await enter(RawUpstream("raw"))
        sock = await enter(FakeUpstream(models=("sock",), unix_path=str(place / "s")))
        upstreams: list[dict[str, Any]] = [
            {"url": one.url, "name": "one"},
            {"url": left.url, "name": "left"},
            {"url": right.url, "name": "right"},
            {"url": raw.url, "name": "raw"},
            {"url": f"unix:{sock.unix_path}", "name": "sock"},
        ]
        tls = None
        if (certificate := certificate_in(place)) is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, place / "key.pem")
            tls = await enter(FakeUpstream(models=("tls",), tls=context))
            upstreams.append({"url": tls.url, "ca_file": str(certificate)})  # no name: its address is its name
        gateway = await enter(gateway_before(one, data_dir=place, upstreams=upstreams, health=PATIENT))
        fleet = gateway.remuda.fleet
        for name in ("pair", "raw", "sock", *(["tls"] if tls else [])):
            await gateway.until(lambda name=name: fleet.look_up(name) is not None, f"{name} is known")
        pair = fleet.look_up("pair")
        assert pair is not None
        await gateway.until(lambda: len(pair.replicas) == 2, "both of the pair are known")
        yield Range(gateway, one, left, right, raw, sock, tls)


@pytest_asyncio.fixture(loop_scope="module")
async def r(started: Range) -> AsyncIterator[Range]:
    """All well-behaved and without memory; at rest when the test ends."""
    deadlines = {replica: replica.deadlines for replica in started.gateway.remuda.fleet.replicas()}
    for fake in started.fakes:
        fake.behave()
        fake.seen.clear()
    yield started
    for fake in started.fakes:
        fake.gate.release()
        fake.behave()
    await started.gateway.at_rest()
    for replica, usual in deadlines.items():
        replica.deadlines = usual


def assert_error(answer: RawAnswer, status: int, code: str) -> None:
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.error["request_id"] == "asked"


def assert_cut(answer: RawAnswer, code: str = "stream_cut") -> None:
    """A stream that has begun, says in an event that it broke off, and is properly framed to its end."""
    assert answer.status == 200
    assert answer.is_whole
    *before, last = answer.events
    assert last["error"]["code"] == code
    assert last["error"]["request_id"] == "asked"
    assert not [event for event in before if event == "[DONE]" or "error" in event]


# Before the answer's head

BEFORE = [Fault.DROP_BEFORE_HEAD, Fault.DROP_MID_HEAD, Fault.MALFORMED_HEAD, Fault.LENGTH_TWICE]
FLAWS = [*BEFORE, Fault.ERROR]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FLAWS)
@pytest.mark.parametrize("reset", [False, True])
async def test_a_replica_that_fails_before_its_answer_is_replaced_unseen(
    fault: Fault, stream: bool, reset: bool, r: Range
) -> None:
    for bad, good in ((r.left, r.right), (r.right, r.left)):
        bad.behave(fault=fault, reset=reset)
        good.behave()
        for _ in range(2):  # replicas take turns: one of two asks meets the bad one first
            answer = await r.ask("pair", stream=stream)
            assert answer.status == 200
            assert answer.is_whole
            assert (await r.record()).fault == ""
        assert len(bad.seen) >= 1


@pytest.mark.parametrize("fault", BEFORE)
@pytest.mark.parametrize("stream", [False, True])
async def test_where_no_replica_is_left_it_is_said(fault: Fault, stream: bool, r: Range) -> None:
    r.left.behave(fault=fault)
    r.right.behave(fault=fault)
    assert_error(await r.ask("pair", stream=stream), 502, "upstream_failed")
    for fake in (r.left, r.right):  # a kept connection that fails may just have gone stale: that is no attempt
        assert len(fake.seen) == len({seen.connection for seen in fake.seen}) <= 2
    record = await r.record()
    assert (record.status, record.fault, record.attempts) == (502, "upstream_failed", 2)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [Fault.HANG, Fault.NEVER_READING])
async def test_a_server_that_hangs(fault: Fault, stream: bool, r: Range) -> None:
    r.hurry(answer_s=0.1)
    r.one.behave(fault=fault)
    assert_error(await r.ask(stream=stream), 504, "upstream_timeout")
    if fault is Fault.HANG:
        await r.one.aborted_count(1)
    assert (await r.record()).fault == "upstream_timeout"


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [
        (400, 400, "upstream_refused"),
        (401, 502, "upstream_failed"),
        (403, 502, "upstream_failed"),
        (404, 404, "upstream_refused"),
        (413, 413, "upstream_refused"),
        (422, 422, "upstream_refused"),
        (429, 429, "rate_limit_exceeded"),
        (500, 502, "upstream_failed"),
        (501, 501, "not_implemented"),
        (502, 502, "upstream_failed"),
        (503, 503, "unavailable"),
        (504, 502, "upstream_failed"),
        (529, 503, "unavailable"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_error_answers(status: int, told: int, code: str, stream: bool, r: Range) -> None:
    r.one.behave(fault=Fault.ERROR, status=status)
    answer = await r.ask(stream=stream)
    assert_error(answer, told, code)
    if status in (400, 404, 413, 422, 501):
        assert answer.error["message"] == "as told"
    record = await r.record()
    assert (record.status, record.fault) == (told, code)


@pytest.mark.parametrize(("given", "told"), [(None, "1"), (61, "61"), (100_000, "3600")])
@pytest.mark.parametrize("status", [429, 503, 529])
async def test_the_servers_retry_after_is_passed_on(status: int, given: int | None, told: str, r: Range) -> None:
    r.one.behave(fault=Fault.ERROR, status=status, retry_after_s=given)
    assert (await r.ask()).header("retry-after") == told


@pytest.mark.parametrize("status", [b"301 Moved", b"304 Not Modified", b"302 Found"])
async def test_a_redirect_is_no_answer(status: bytes, r: Range) -> None:
    r.raw.answers(b"HTTP/1.1 %b\r\nLocation: http://example.org/\r\nContent-Length: 0\r\n\r\n" % status)
    answer = await r.ask("raw")
    assert_error(answer, 502, "upstream_failed")
    assert answer.header("location") is None


async def test_a_large_error_answer_is_read_within_bounds(r: Range) -> None:
    r.raw.answers(b"HTTP/1.1 400 Bad\r\nContent-Length: 1000000\r\n\r\n", *[b"x" * 10_000] * 100)
    assert_error(await r.ask("raw"), 400, "upstream_refused")


async def test_a_head_without_bound_is_refused(r: Range) -> None:
    r.one.behave(head_bytes=600_000)
    assert_error(await r.ask(), 502, "upstream_failed")


@pytest.mark.parametrize("stream", [False, True])
async def test_interim_answers_are_passed_over(stream: bool, r: Range) -> None:
    r.one.behave(interim=(100, 103, 102), head_bytes=1000)
    answer = await r.ask(stream=stream)
    assert (answer.status, answer.is_whole) == (200, True)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("how", [{"fault": Fault.DROP_BEFORE_HEAD, "reused_only": True}, {"close_after": True}])
async def test_a_kept_connection_that_has_gone_stale_is_replaced_unseen(
    how: dict[str, Any], stream: bool, r: Range
) -> None:
    assert (await r.ask()).status == 200  # there is a connection to keep
    r.one.behave(**how)
    for _ in range(3):
        answer = await r.ask(stream=stream)
        assert (answer.status, answer.is_whole) == (200, True)
        record = await r.record()
        assert (record.attempts, record.fault) == (1, "")


async def test_connections_are_kept(r: Range) -> None:
    assert (await r.ask()).status == 200
    for stream in (False, True, False):
        assert (await r.ask(stream=stream)).status == 200
    assert len({seen.connection for seen in r.one.seen}) == 1


# In the middle of the answer


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("fault", [Fault.DROP_MID_STREAM, Fault.END_EARLY, Fault.MALFORMED_CHUNK])
@pytest.mark.parametrize("packing", Packing)
@pytest.mark.parametrize("after", [0, 1, 3])
async def test_a_stream_that_breaks_off_says_so(
    fault: Fault, packing: Packing, reset: bool, after: int, r: Range
) -> None:
    r.one.behave(fault=fault, packing=packing, reset=reset, after_chunks=after)
    answer = await r.ask(stream=True)
    if answer.status == 502 and (after == 0 or fault is Fault.MALFORMED_CHUNK):
        assert_error(answer, 502, answer.error["code"])  # it broke before anything of it had been passed on
    else:
        assert_cut(answer, "upstream_failed" if fault is Fault.MALFORMED_CHUNK else "stream_cut")
    record = await r.record()
    assert record.fault in ("stream_cut", "upstream_failed")


async def test_a_stream_that_promised_more_after_its_end_is_whole(r: Range) -> None:
    """The client has had its `[DONE]` already: an error behind it would be read by nobody."""
    r.one.behave(fault=Fault.LENGTH_TOO_LONG)
    answer = await r.ask(stream=True)
    assert answer.is_whole
    assert answer.events[-1] == "[DONE]"
    assert (await r.record()).fault == ""


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_falls_silent_in_its_answer(stream: bool, r: Range) -> None:
    r.hurry(silence_s=0.1)
    r.one.behave(fault=Fault.STALL, body_bytes=10)
    answer = await r.ask(stream=stream)
    if stream:
        assert_cut(answer)
    else:
        assert_error(answer, 502, "stream_cut")
    await r.one.aborted_count(1)


@pytest.mark.parametrize("fault", [Fault.DROP_MID_STREAM, Fault.LENGTH_TOO_LONG, Fault.MALFORMED_CHUNK])
async def test_a_whole_answer_that_breaks_off_is_asked_for_elsewhere(fault: Fault, r: Range) -> None:
    framing = Framing.CHUNKED if fault is Fault.MALFORMED_CHUNK else Framing.AUTO
    r.left.behave(fault=fault, framing=framing)
    for _ in range(2):
        answer = await r.ask("pair")
        assert (answer.status, answer.is_whole) == (200, True)
    assert len(r.left.seen) >= 1
    r.right.behave(fault=fault, framing=framing)
    answer = await r.ask("pair")
    assert answer.status == 502


@pytest.mark.parametrize("framing", [Framing.LENGTH, Framing.CHUNKED])
async def test_a_long_whole_answer_that_breaks_off_breaks_off_for_the_client_too(framing: Framing, r: Range) -> None:
    r.one.behave(fault=Fault.DROP_MID_STREAM, body_bytes=8_000_000, framing=framing)
    answer = await r.ask()
    assert answer.status == 200
    assert not answer.is_whole
    record = await r.record()
    assert (record.status, record.fault) == (200, "stream_cut")


@pytest.mark.parametrize("framing", Framing)
async def test_long_whole_answers(framing: Framing, r: Range) -> None:
    r.one.behave(body_bytes=3_000_000, framing=framing)
    answer = await r.ask()
    assert (answer.status, answer.is_whole) == (200, True)
    assert len(answer.json()["choices"][0]["message"]["content"]) > 3_000_000
    assert (await r.record()).status == 200


async def test_a_stream_without_done_is_whole_once_it_has_finished(r: Range) -> None:
    r.one.behave(fault=Fault.NO_DONE)
    answer = await r.ask(stream=True)
    assert answer.events[-1]["choices"][0]["finish_reason"] == "stop"
    record = await r.record()
    assert (record.fault, record.finish_reason) == ("", "stop")


async def test_a_stream_without_done_is_not_whole_while_a_choice_is_unfinished(r: Range) -> None:
    r.raw.answers(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(SOME, LAST))
    assert (await r.ask("raw", stream=True)).events[-1]["choices"][0]["finish_reason"] == "stop"
    assert_cut(await r.ask("raw", stream=True, n=2))


@pytest.mark.parametrize("end", [b"", DONE])
@pytest.mark.parametrize("closes", [False, True])
async def test_an_error_in_the_stream_is_passed_on_and_is_no_success(end: bytes, closes: bool, r: Range) -> None:
    error = b'data: {"error":{"message":"out of memory","code":500}}\n\n'
    body = SOME, SOME, error, end
    if closes:
        r.raw.answers(EVENTS + b"\r\n", *body, closes=True)
    else:
        framed = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in body if piece]
        r.raw.answers(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n", *framed, b"0\r\n\r\n")
    answer = await r.ask("raw", stream=True)
    assert answer.is_whole
    assert len(answer.events) == 3
    assert answer.events[-1]["error"]["message"] == "out of memory"
    record = await r.record()
    assert (record.status, record.fault) == (200, "upstream_failed")


async def test_the_fakes_error_in_the_stream(r: Range) -> None:
    r.one.behave(fault=Fault.ERROR_IN_STREAM)
    answer = await r.ask(stream=True)
    assert [event for event in answer.events if "error" in event] == [answer.events[-1]]
    assert (await r.record()).fault == "upstream_failed"


async def test_half_an_event_does_not_swallow_the_error(r: Range) -> None:
    for rest in (b'data: {"choices":[{"ind', b"data: [DO", b": comm"):
        r.raw.answers(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(SOME + rest))
        assert_cut(await r.ask("raw", stream=True))


async def test_a_last_event_without_its_blank_line_gets_it(r: Range) -> None:
    r.raw.answers(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(SOME, LAST + DONE.rstrip()))
    answer = await r.ask("raw", stream=True)
    assert answer.events[-1] == "[DONE]"
    assert (await r.record()).fault == ""


@pytest.mark.parametrize("rest", [b"\n\n" + LAST + DONE, b"", b"\n\n"])
async def test_an_event_that_is_too_long_to_look_at(rest: bytes, r: Range) -> None:
    long = SOME.replace(b"hi", b"x" * 3_000_000).rstrip()
    r.raw.answers(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n", chunked(SOME, long + rest))
    answer = await r.ask("raw", stream=True)
    assert len(answer.text) > 3_000_000
    if DONE in rest:
        assert answer.events[-1] == "[DONE]"
        assert (await r.record()).fault == ""
    else:
        assert_cut(answer)


# Framing


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("packing", Packing)
async def test_every_framing_and_packing_gives_the_same_answer(
    framing: Framing, packing: Packing, stream: bool, r: Range
) -> None:
    usual = await r.ask(stream=stream)
    r.one.behave(framing=framing, packing=packing, trailers=framing is Framing.CHUNKED)
    answer = await r.ask(stream=stream)
    assert (answer.status, answer.is_whole) == (200, True)
    if stream:
        assert answer.text == usual.text
        assert len(answer.events) == len(usual.events)
        assert answer.events[-1] == "[DONE]"
    else:
        assert answer.json()["choices"] == usual.json()["choices"]
    assert "trailer" not in dict(answer.headers)
    record = await r.record()
    assert (record.fault, record.finish_reason, record.completion_tokens) == ("", "stop", 8)


@pytest.mark.parametrize("fault", [Fault.LENGTH_AND_CHUNKED, Fault.LENGTH_TWICE])
@pytest.mark.parametrize("stream", [False, True])
async def test_contradictory_framing_is_refused(fault: Fault, stream: bool, r: Range) -> None:
    r.one.behave(fault=fault)
    assert_error(await r.ask(stream=stream), 502, "upstream_failed")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_length_that_is_too_short_is_no_success(stream: bool, r: Range) -> None:
    r.one.behave(fault=Fault.LENGTH_TOO_SHORT)
    answer = await r.ask(stream=stream)
    if stream and answer.status == 200:
        assert "[DONE]" not in answer.events
        assert "error" in answer.events[-1]
        assert (await r.record()).fault
    elif answer.status == 200:  # all that it said it would send; what follows is dropped with the connection
        assert answer.is_whole
    else:
        assert_error(answer, 502, answer.error["code"])
    r.one.behave()
    assert (await r.ask()).json()["choices"][0]["finish_reason"] == "stop", "nothing is left over for the next"


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 75\r\n\r\n" + WHOLE + OK + b"Content-Length: 4\r\n\r\nevil",
        OK + b"Content-Length: 75\r\n\r\n" + WHOLE + b"junk",
        OK + b"Content-Length: 75\r\n\r\n" + WHOLE + b"HTTP/1.1 200 OK\r\nContent-Type: text/evil\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n" + WHOLE,
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked(WHOLE),
        OK + b"Transfer-Encoding: identity\r\nContent-Length: 75\r\n\r\n" + WHOLE,
        OK + b"Content-Length: -75\r\n\r\n" + WHOLE,
        OK + b"Content-Length: 75, 75\r\n\r\n" + WHOLE,
        OK + b"Content-Length : 75\r\n\r\n" + WHOLE,
        OK + b"X-A: b\r\n c\r\nContent-Length: 75\r\n\r\n" + WHOLE,
        OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + WHOLE,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + WHOLE,
        b"HTTP/2 200\r\nContent-Length: 75\r\n\r\n" + WHOLE,
        b"\x16\x03\x01\x02\x00",
    ],
)
async def test_answers_that_can_be_read_in_two_ways_are_refused(answer: bytes, r: Range) -> None:
    assert len(WHOLE) == 75
    r.raw.answers(answer)
    assert_error(await r.ask("raw"), 502, "upstream_failed")
    r.raw.answers(OK + b"Content-Length: 75\r\n\r\n" + WHOLE)
    assert (await r.ask("raw")).body == WHOLE


async def test_what_comes_unasked_on_a_kept_connection_is_never_an_answer(r: Range) -> None:
    good = OK + b"Content-Length: 75\r\n\r\n" + WHOLE
    r.raw.answers(good, OK + b"Content-Length: 4\r\n\r\nevil")
    for _ in range(5):
        answer = await r.ask("raw")
        assert answer.body == WHOLE or answer.status == 502


@pytest.mark.parametrize("body", [b"null", b'{"choices":null}', b'{"choices":[{"message":7}]}'])
async def test_a_body_of_an_odd_shape_passes_as_it_is(body: bytes, r: Range) -> None:
    r.raw.answers(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    answer = await r.ask("raw")
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff\xfe", b"<html>" + b" " * 2**21])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_no_json_is_no_answer(body: bytes, stream: bool, r: Range) -> None:
    r.raw.answers(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert_error(await r.ask("raw", stream=stream), 502, "upstream_failed")
    assert (await r.record()).ttft_s is None


@pytest.mark.parametrize("stream", [False, True])
async def test_who_answers_with_a_page_for_people_is_passed_over(stream: bool, r: Range) -> None:
    r.left.behave(fault=Fault.HTML)
    answers = [await r.ask("pair", stream=stream) for _ in range(4)]
    assert [answer.status for answer in answers] == [200] * 4
    assert not any(b"html" in answer.body for answer in answers)
    assert r.left.seen


@pytest.mark.parametrize(
    "data", [b"[]", b"1", b'"x"', b"{", b'{"choices":[{"delta":5}]}', b'{"choices":{}}', b'{"usage":7}', b"\xff"]
)
async def test_odd_events_pass_as_they_are(data: bytes, r: Range) -> None:
    r.raw.answers(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(SOME, b"data: " + data + b"\n\n", DONE))
    answer = await r.ask("raw", stream=True)
    assert b"data: " + data + b"\n\n" in answer.body
    assert answer.body.endswith(DONE)
    assert (await r.record()).fault == ""


@pytest.mark.parametrize("way", [way for way in WAYS if way.piece is not None], ids=lambda way: way.path)
async def test_once_a_stream_has_said_that_it_is_over_nothing_can_be_missing(way: Way, r: Range) -> None:
    r.one.behave(**CALM, fault=Fault.LENGTH_TOO_LONG)
    async with RawClient(r.gateway.port) as client:
        body = json.dumps({**way.prompt("asked"), "model": "fake", "stream": True}).encode()
        client.say(post(body, "X-Request-ID: asked", path=way.path))
        answer = await client.answer()
    assert judged(way, "asked", answer, expected(way, "asked"), is_streamed=True) is Ending.WHOLE
    assert (await r.record()).fault == ""


# Usage


@pytest.mark.parametrize("packing", Packing)
async def test_usage_nobody_asked_for_is_not_shown(packing: Packing, r: Range) -> None:
    r.one.behave(usage=UsageMode.ALWAYS, packing=packing, usage_null=True)
    answer = await r.ask(stream=True)
    assert not [event for event in answer.events if isinstance(event, dict) and event.get("usage")]
    record = await r.record()
    assert (record.prompt_tokens, record.completion_tokens, record.tokens_estimated) == (1, 8, False)


@pytest.mark.parametrize("packing", Packing)
async def test_usage_asked_for_is_shown(packing: Packing, r: Range) -> None:
    r.one.behave(packing=packing, usage_null=True)
    answer = await r.ask(stream=True, stream_options={"include_usage": True})
    *before, last, done = answer.events
    assert (last["choices"], last["usage"]["completion_tokens"], done) == ([], 8, "[DONE]")
    assert all(event["usage"] is None for event in before)


async def test_usage_that_is_never_told_is_estimated(r: Range) -> None:
    r.one.behave(usage=UsageMode.NEVER)
    assert (await r.ask(stream=True)).events[-1] == "[DONE]"
    record = await r.record()
    assert (record.completion_tokens, record.tokens_estimated) == (8, True)


async def test_running_totals_are_not_added_up(r: Range) -> None:
    def event(tokens: int, *, choices: str) -> bytes:
        usage = f'{{"prompt_tokens":5,"completion_tokens":{tokens},"total_tokens":{tokens + 5}}}'
        return f'data: {{"choices":{choices},"usage":{usage}}}\n\n'.encode()

    some = '[{"index":0,"delta":{"content":"x"},"finish_reason":null}]'
    last = '[{"index":0,"delta":{},"finish_reason":"stop"}]'
    body = event(1, choices=some) + event(2, choices=some) + event(3, choices=last) + event(3, choices="[]") + DONE
    r.raw.answers(EVENTS + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    answer = await r.ask("raw", stream=True, stream_options={"include_usage": True, "continuous_usage_stats": True})
    assert answer.body == body
    record = await r.record()
    assert (record.prompt_tokens, record.completion_tokens) == (5, 3)


# Ways to a server


async def test_a_unix_socket(r: Range) -> None:
    for stream in (False, True):
        answer = await r.ask("sock", stream=stream)
        assert (answer.status, answer.is_whole) == (200, True)
    assert r.sock.seen[0].header("host") == "localhost"


async def test_tls_with_a_certificate_of_ones_own(r: Range) -> None:
    if r.tls is None:
        missing("openssl")
    for stream in (False, True):
        answer = await r.ask("tls", stream=stream)
        assert (answer.status, answer.is_whole) == (200, True)
    r.tls.behave(fault=Fault.DROP_MID_STREAM)
    assert_cut(await r.ask("tls", stream=True))


async def test_slow_readers_of_broken_streams(r: Range) -> None:
    """The error waits its turn behind what has not been read."""
    r.one.behave(fault=Fault.DROP_MID_STREAM, tokens=9, after_chunks=1, body_bytes=6_000_000)
    async with RawClient(r.gateway.port, receive_buffer=4096) as client:
        client.say(post(STREAM, "X-Request-ID: asked"))
        await r.gateway.until(lambda: any(each.is_write_paused for each in r.gateway.remuda.gateway.live), "paused")
        assert_cut(await client.answer())


async def test_the_ask_goes_on_as_it_came(r: Range) -> None:
    assert (await r.ask(temperature=0.5, extra={"kept": [1, 2]})).status == 200
    [seen] = r.one.seen
    assert seen.json() == {
        "model": "fake",
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.5,
        "extra": {"kept": [1, 2]},
    }
    async with RawClient(r.gateway.port) as client:
        client.say(post(ASK))
        assert (await client.answer()).status == 200
    assert r.one.seen[1].body == ASK
