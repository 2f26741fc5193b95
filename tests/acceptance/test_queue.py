"""Those who wait, as their clients see it: in their order, told the truth, and served when a slot comes free."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from remuda.core.keys import Key, KeyRing, Scope, digest_of
from remuda.store.keys import change_weight, create_key
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.raw import ASK, STREAM, RawClient, post
from tests.fixtures.shared import gateway_before

SOON = {"keep_alive_after_s": 0.05, "keep_alive_every_s": 0.5}


@contextlib.asynccontextmanager
async def one_slot(
    upstream: FakeUpstream, folder: Path, **routing: Any
) -> AsyncIterator[tuple[RunningGateway, RawClient]]:
    """A gateway whose only slot is taken by a client that waits for its answer."""
    upstreams = [{"url": upstream.url, "slots": 1, "name": "one"}]
    async with (
        gateway_before(upstream, data_dir=folder, upstreams=upstreams, known_replicas=1, routing=routing) as gateway,
        RawClient(gateway.port) as first,
    ):
        upstream.gate.hold()
        first.say(post(ASK, "X-Request-ID: first"))
        await upstream.gate.reached()
        yield gateway, first


async def test_higher_classes_are_served_first(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with one_slot(upstream, tmp_path) as (gateway, first), contextlib.AsyncExitStack() as stack:
        clients = []
        for number, word in enumerate(("background", "low", "normal", "high")):
            client = await stack.enter_async_context(RawClient(gateway.port))
            client.say(post(ASK, f"X-Request-ID: {word}", f"X-Remuda-Priority: {word}"))
            await gateway.until(lambda number=number: gateway.remuda.fleet.queued == number + 1, "in line")
            clients.append(client)
        page = gateway.remuda.metrics.render().decode()
        assert 'remuda_queue_depth{model="fake",priority="high"} 1.0' in page
        upstream.gate.release()
        assert [(await client.answer()).status for client in (first, *clients)] == [200] * 5
    assert [seen.header("x-request-id") for seen in upstream.seen] == ["first", "high", "normal", "low", "background"]


async def test_a_heavier_key_has_more_turns(upstream: FakeUpstream, tmp_path: Path) -> None:
    def key(word: str, weight: int) -> Key:
        return Key(
            word, word, digest_of(f"secret-{word[0]}".encode()), "", frozenset({Scope.INFERENCE}), 0.0, weight=weight
        )

    async with one_slot(upstream, tmp_path) as (gateway, first), contextlib.AsyncExitStack() as stack:
        gateway.remuda.gatekeeper.ring = KeyRing([key("light", 1), key("heavy", 2)])
        clients = []
        for number, word in enumerate(["light"] * 3 + ["heavy"] * 4):
            client = await stack.enter_async_context(RawClient(gateway.port))
            client.say(post(ASK, f"X-Request-ID: {word}", f"Authorization: Bearer secret-{word[0]}"))
            await gateway.until(lambda number=number: gateway.remuda.fleet.queued == number + 1, "in line")
            clients.append(client)
        upstream.gate.release()
        assert [(await client.answer()).status for client in (first, *clients)] == [200] * 8
    served = [seen.header("x-request-id") for seen in upstream.seen]
    assert served == ["first", "light", "heavy", "heavy", "light", "heavy", "heavy", "light"]


async def test_a_running_gateway_hears_of_another_weight(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with gateway_before(upstream, data_dir=tmp_path) as gateway:
        remuda = gateway.remuda
        key = Key("chat", "chat", digest_of(b"secret"), "", frozenset({Scope.INFERENCE}), 0.0, weight=2)
        await create_key(remuda.store, key)
        await gateway.until(lambda: remuda.gatekeeper.ring.weight_of("chat") == 2, "the key is known")
        assert await change_weight(remuda.store, "chat", 5)
        await gateway.until(lambda: remuda.gatekeeper.ring.weight_of("chat") == 5, "its new weight is known")


async def test_a_priority_that_is_none_is_refused(gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        client.say(post(ASK, "X-Remuda-Priority: urgent"))
        answer = await client.answer()
        assert answer.status == 400
        assert answer.error["details"]["parameter"] == "X-Remuda-Priority"


async def test_who_is_refused_is_told_the_place_and_when_to_come_again(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with one_slot(upstream, tmp_path, queue_max=1, queue_timeout_s=0.3) as (gateway, first):
        async with RawClient(gateway.port) as waiting, RawClient(gateway.port) as refused:
            waiting.say(post(ASK))
            await gateway.until(lambda: gateway.remuda.fleet.queued == 1, "in line")
            refused.say(post(ASK))
            answer = await refused.answer()
            assert (answer.status, answer.error["code"]) == (503, "queue_full")
            assert answer.header("x-remuda-queue-position") == "2"
            assert 1 <= int(answer.header("retry-after") or "") <= 600
            late = await waiting.answer()
            assert (late.status, late.error["code"]) == (504, "queue_timeout")
            assert late.header("x-remuda-queue-position") == "1"
            assert int(late.header("retry-after") or "") >= 1
        upstream.gate.release()
        assert (await first.answer()).status == 200


async def test_a_stream_that_waits_is_kept_alive_and_then_answered(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with one_slot(upstream, tmp_path, **SOON) as (gateway, first), RawClient(gateway.port) as client:
        client.say(post(STREAM))
        await gateway.until(lambda: gateway.remuda.keep_alive.sent == 2, "it has been told twice")
        upstream.gate.release()
        assert (await first.answer()).status == 200
        answer = await client.answer()
        assert (answer.status, answer.is_whole) == (200, True)
        assert answer.header("content-type") == "text/event-stream; charset=utf-8"
        assert answer.body.startswith(b": waiting position=1")
        assert answer.events[-1] == "[DONE]"
        [record] = [each for each in await gateway.records() if each.is_streamed]
        assert (record.status, record.fault, record.attempts) == (200, "", 1)
        assert "remuda_queue_keep_alives_total 2.0" in gateway.remuda.metrics.render().decode()


async def test_what_goes_wrong_after_a_comment_is_said_in_the_stream(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with one_slot(upstream, tmp_path, **SOON, queue_timeout_s=0.8) as (gateway, first):
        async with RawClient(gateway.port) as client:
            client.say(post(STREAM))
            answer = await client.answer()
            assert (answer.status, answer.is_whole) == (200, True)
            [error] = answer.events
            assert error["error"]["code"] == "queue_timeout"
            assert b"[DONE]" not in answer.body
        upstream.gate.release()
        assert (await first.answer()).status == 200


async def test_comments_do_not_end_retries(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with FakeUpstream() as other:
        upstreams = [{"url": each.url, "slots": 1, "name": name} for each, name in ((upstream, "one"), (other, "two"))]
        async with (
            gateway_before(
                data_dir=tmp_path, upstreams=upstreams, known_replicas=2, routing={**SOON, "policy": "round_robin"}
            ) as gateway,
            RawClient(gateway.port) as first,
            RawClient(gateway.port) as second,
            RawClient(gateway.port) as client,
        ):
            upstream.gate.hold()
            other.gate.hold()
            first.say(post(ASK))
            second.say(post(ASK))
            await upstream.gate.reached()
            await other.gate.reached()
            client.say(post(STREAM, "X-Request-ID: waits"))
            await gateway.until(lambda: gateway.remuda.keep_alive.sent >= 1, "it has been told")
            upstream.behave(fault=Fault.ERROR, status=500)
            upstream.gate.release()
            await gateway.until(
                lambda: any(seen.header("x-request-id") == "waits" for seen in upstream.seen), "the first was tried"
            )
            other.gate.release()
            answer = await client.answer()
            assert (answer.status, answer.events[-1]) == (200, "[DONE]")
            await first.answer()
            await second.answer()
            await gateway.at_rest()
            record = next(each for each in await gateway.records() if each.id == "waits")
            assert (record.attempts, record.fault) == (2, "")


async def test_a_refusal_after_a_comment_is_said_in_the_stream(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with one_slot(upstream, tmp_path, **SOON) as (gateway, first), RawClient(gateway.port) as client:
        client.say(post(STREAM))
        await gateway.until(lambda: gateway.remuda.keep_alive.sent >= 1, "it has been told")
        upstream.behave(fault=Fault.ERROR, status=400)
        upstream.gate.release()
        await first.answer()
        answer = await client.answer()
        assert (answer.status, answer.is_whole) == (200, True)
        assert "error" in answer.events[-1]


async def test_who_leaves_after_a_comment_leaves_nothing_behind(upstream: FakeUpstream, tmp_path: Path) -> None:
    async with one_slot(upstream, tmp_path, **SOON) as (gateway, first):
        async with RawClient(gateway.port) as client:
            client.say(post(STREAM, "X-Request-ID: leaver"))
            await gateway.until(lambda: gateway.remuda.keep_alive.sent >= 1, "it has been told")
            client.leave()
            await gateway.until(lambda: gateway.remuda.fleet.queued == 0, "out of the queue")
        upstream.gate.release()
        assert (await first.answer()).status == 200
        await gateway.at_rest()
        record = next(each for each in await gateway.records() if each.id == "leaver")
        assert (record.status, record.fault, record.attempts) == (499, "client_gone", 0)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_with_too_much_to_do_is_left_for_another(
    status: int, upstream: FakeUpstream, tmp_path: Path
) -> None:
    async with (
        FakeUpstream() as other,
        gateway_before(upstream, other, data_dir=tmp_path, routing={"policy": "round_robin"}) as gateway,
    ):
        upstream.behave(fault=Fault.ERROR, status=status)
        for _ in range(4):
            async with RawClient(gateway.port) as client:
                client.say(post(ASK))
                assert (await client.answer()).status == 200
        other.behave(fault=Fault.ERROR, status=429)
        upstream.behave(fault=Fault.ERROR, status=429)
        async with RawClient(gateway.port) as client:
            client.say(post(ASK))
            assert (await client.answer()).status == 429, "where all say so the client is told"
