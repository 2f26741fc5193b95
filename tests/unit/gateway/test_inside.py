"""Asks from inside the process."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from remuda.core.faults import InvalidCredential, ShuttingDown
from remuda.core.keys import Key, KeyRing, Scope, digest_of
from remuda.gateway.inside import Asked, Inside, Insiders
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway

NOON = 1_700_000_000.0


def ring(**values: Any) -> KeyRing:
    scopes = frozenset({Scope.INFERENCE, Scope.READ})
    return KeyRing([Key("key_1", "laptop", digest_of(b"s"), "rmd_", scopes, NOON, **values)])


def admit(keys: KeyRing, key_id: bytes) -> Any:
    return Insiders(lambda: keys, lambda: NOON).admit([], None, Scope.INFERENCE, fields={b"caller": key_id})


def test_who_asked_is_who_submitted() -> None:
    assert admit(ring(), b"key_1").name == "laptop"
    for local in (b"", b"user:ada"):
        caller = admit(KeyRing(), local)
        assert (caller.key_id, caller.scopes) == (local.decode(), {Scope.INFERENCE})


@pytest.mark.parametrize("keys", [KeyRing(), ring(revoked_at=NOON), ring(expires_at=NOON - 1)])
def test_a_key_that_is_no_more_asks_for_nothing(keys: KeyRing) -> None:
    with pytest.raises(InvalidCredential):
        admit(keys, b"key_1")


def ask(gateway: RunningGateway, inside: Inside, *, stream: bool = False, listen: Any = None) -> Asked:
    route = next(each for each in gateway.remuda._lane_routes if each.path == "/v1/chat/completions")
    body = {"model": "fake", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    return inside.ask(route, msgspec.json.encode(body), "", "id", listen=listen)


async def test_the_answer_comes_without_http_around_it(tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "it is known")
        inside = gateway.remuda.durable.inside
        whole = await ask(gateway, inside).answer
        assert (whole.status, whole.record.id, whole.record.status) == (200, "id", 200)
        assert msgspec.json.decode(whole.body)["choices"]
        heard: list[bytes] = []
        streamed = await ask(gateway, inside, stream=True, listen=heard.append).answer
        assert streamed.body == b""
        assert b"".join(heard).startswith(b"data: {")
        assert b"".join(heard).endswith(b"data: [DONE]\n\n")


async def test_it_is_called_off(tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "it is known")
        fake.behave(fault=Fault.HANG)
        asked = ask(gateway, gateway.remuda.durable.inside)
        await fake.saw(1)
        asked.stop()
        asked.stop()
        answer = await asked.answer
        assert (answer.status, answer.record.fault) == (499, "client_gone")
        await fake.aborted_count(1)
        asked.stop(ShuttingDown())  # over already


async def test_an_answer_that_is_too_long_is_cut(tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        await gateway.until(lambda: gateway.remuda.fleet.look_up("fake") is not None, "it is known")
        usual = gateway.remuda.durable.inside
        small = Inside(usual._pipeline, gateway.remuda.clock, max_answer_bytes=100)
        answer = await ask(gateway, small, stream=True).answer
        assert len(answer.body) <= 100
        assert answer.record.fault == "upstream_failed"


async def test_nothing_new_is_asked_when_it_ends(tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        inside = gateway.remuda.durable.inside
        inside.is_closing = True
        answer = await ask(gateway, inside).answer
        assert (answer.status, answer.record.fault) == (503, "shutting_down")
