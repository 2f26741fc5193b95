"""Who gets a request, where the settings say more than the default: seen from the servers' side."""

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.pair import MODEL, pair_of_engines

MODELS = ["fake", "other"]


@pytest.fixture
async def pair() -> AsyncIterator[tuple[FakeUpstream, FakeUpstream]]:
    async with FakeUpstream(models=MODELS) as one, FakeUpstream(models=MODELS) as two:
        yield one, two


Pair = tuple[FakeUpstream, FakeUpstream]


def servers(pair: Pair, **of_first: Any) -> list[dict[str, Any]]:
    """Both as upstreams whose models are named, so that they are known before they are asked."""
    one, two = pair
    return [
        {"url": one.url, "name": "one", "models": MODELS, **of_first},
        {"url": two.url, "name": "two", "models": MODELS},
    ]


async def ask(
    gateway: RunningGateway, times: int, model: str = "fake", said: str = "Hello", headers: dict[str, str] | None = None
) -> list[str]:
    """The names of the servers that answer these requests, one after the other."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": said}]}
    answered = []
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60, trust_env=False, headers=headers) as client:
        for _ in range(times):
            answer = await client.post("/v1/chat/completions", json=body)
            assert answer.status_code == 200
            answered.append(answer.headers["x-remuda-replica"].partition("/")[0])
    return answered


async def test_by_weight_where_the_model_has_that_policy(pair: Pair, tmp_path: Path) -> None:
    routing = {"policies": {"fake": "weighted"}}
    async with running_gateway(tmp_path, upstreams=servers(pair, weight=3), routing=routing) as gateway:
        assert sorted(await ask(gateway, 8)) == ["one"] * 6 + ["two"] * 2
        assert sorted(await ask(gateway, 8, "other")) == ["one"] * 4 + ["two"] * 4
        await gateway.at_rest()


async def test_in_turn(pair: Pair, tmp_path: Path) -> None:
    async with running_gateway(tmp_path, upstreams=servers(pair), routing={"policy": "round_robin"}) as gateway:
        answered = await ask(gateway, 4)
        assert answered[:2] == answered[2:]
        assert set(answered) == {"one", "two"}
        await gateway.at_rest()


async def test_the_one_that_begins_its_answers_soonest(pair: Pair, tmp_path: Path) -> None:
    pair[0].behave(ttft_s=0.05)
    async with running_gateway(tmp_path, upstreams=servers(pair), routing={"policy": "lowest_latency"}) as gateway:
        while not all(fake.seen for fake in pair):
            await ask(gateway, 1)  # until both are known
        gateway.remuda.recorder.flush()
        answered = await ask(gateway, 40)
        assert answered.count("two") > 30, "but for what is tried by chance"
        await gateway.at_rest()


async def test_a_session_stays_where_it_is(pair: Pair, tmp_path: Path) -> None:
    routing = {"policy": "round_robin", "affinity_header": "X-Session-Id"}
    async with running_gateway(tmp_path, upstreams=servers(pair), routing=routing) as gateway:
        homes = {number: await ask(gateway, 3, headers={"x-session-id": f"s{number}"}) for number in range(10)}
        assert all(len(set(answered)) == 1 for answered in homes.values())
        assert len({answered[0] for answered in homes.values()}) == 2, "sessions are spread"
        assert len(set(await ask(gateway, 2))) == 2, "without a session it is the policy's to say"
        await gateway.at_rest()


async def test_a_conversation_goes_on_where_it_began(pair: Pair, tmp_path: Path) -> None:
    async with running_gateway(tmp_path, upstreams=servers(pair), routing={"policy": "prefix_affinity"}) as gateway:
        begun = [f"{number} {'and so on ' * 50}" for number in range(6)]
        homes = [(await ask(gateway, 1, said=said))[0] for said in begun]
        assert sorted(homes) == ["one"] * 3 + ["two"] * 3
        assert [(await ask(gateway, 1, said=f"{said}Really?"))[0] for said in begun] == homes
        await gateway.at_rest()


async def test_at_the_level_debug_every_choice_is_explained(
    pair: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "remuda.gateway.choose")
    for level in ("info", "debug"):
        async with running_gateway(tmp_path, upstreams=servers(pair, slots=4), log={"level": level}) as gateway:
            [answered] = await ask(gateway, 1)
            await gateway.at_rest()
    [said] = [record.getMessage() for record in caplog.records if record.name == "remuda.gateway.choose"]
    assert f": {answered}/fake by least_active, of one/fake (0/4), two/fake (0/4096)" in said


@pytest.mark.engine
@pytest.mark.xdist_group("engine")
async def test_what_real_engines_report_confirms_where_a_conversation_is(tmp_path: Path) -> None:
    routing = {"policy": "prefix_affinity"}
    async with pair_of_engines(tmp_path, routing=routing) as engines:
        asks = {name: [{"role": "user", "content": f"{name}: {'tell me of llamas, ' * 20}"}] for name in ("one", "two")}
        homes: dict[str, list[str]] = {name: [] for name in asks}
        for _ in range(4):
            for name, messages in asks.items():
                body = {"model": MODEL, "messages": messages, "temperature": 0, "max_tokens": 4}
                answer = await engines.ask(body)
                assert answer.status == 200
                homes[name].append(answer.header("x-remuda-replica") or "")
                messages += [json.loads(answer.body)["choices"][0]["message"], {"role": "user", "content": "More."}]
        assert all(len(set(answered)) == 1 for answered in homes.values())
        assert len({answered[0] for answered in homes.values()}) == 2
        records = (await engines.gateway.records())[::-1]
        assert all(record.cached_tokens == 0 for record in records[:2])
        assert all(record.cached_tokens > record.prompt_tokens / 2 for record in records[2:]), "these count as kept"
