"""Three servers under the load of all dialects, while one after the other fails in every way, and while the gateway is
told to stop: each request gets its own answer, whole, or is told honestly; nothing leaks. `make soak` does it for long.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.chaos import CALM, MODEL, Ending, Load, Step, heal, plan, strike
from tests.fixtures.gateway import running_gateway
from tests.fixtures.process import remuda_serve

CLIENTS = 10
SLOTS = 4
HEALTH = {
    "probe_every_s": 0.2,
    "probe_again_s": 0.1,
    "breaker_failures": 3,
    "breaker_window_s": 5,
    "breaker_pause_s": 0.1,
    "breaker_max_pause_s": 0.2,
    "slow_start_s": 0.1,
}


def settings(fakes: Sequence[FakeUpstream], kinds: Sequence[str]) -> dict[str, Any]:
    deadlines = {"ttft_timeout_s": 1, "silence_timeout_s": 1}
    upstreams = [
        {"url": fake.root, "name": str(number), "kind": kind, "slots": SLOTS, **deadlines}
        for number, (fake, kind) in enumerate(zip(fakes, kinds, strict=True))
    ]
    return {"upstreams": upstreams, "health": HEALTH, "routing": {"retry_budget_percent": 1000}}


@contextlib.asynccontextmanager
async def three_fakes(kinds: Sequence[str]) -> AsyncIterator[list[FakeUpstream]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(FakeUpstream(models=(MODEL,), speaks=kind, slots=SLOTS, **CALM))
            for kind in kinds
        ]


ALIKE = ("openai", "openai", "openai")
OF_ALL_KINDS = ("openai", "llama.cpp", "ollama")


@pytest.mark.parametrize(
    ("seed", "kinds"),
    [(1, ALIKE), (2, OF_ALL_KINDS)],
    ids=["alike", "of all kinds"],
)
async def test_whatever_happens_to_one_of_three_servers_nothing_is_lost(
    seed: int, kinds: Sequence[str], tmp_path: Path
) -> None:
    async with three_fakes(kinds) as fakes, running_gateway(tmp_path, **settings(fakes, kinds)) as gateway:
        fleet, breakers = gateway.remuda.fleet, gateway.remuda.breakers
        await gateway.until(lambda: len(list(fleet.replicas())) == len(fakes), "all are known")
        replicas = sorted(fleet.replicas(), key=lambda each: each.id)

        def are_well() -> bool:
            return not len(breakers) and all(each.is_routable for each in replicas)

        load = Load(gateway.port, seed)
        steps: list[Step] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(load.clients(CLIENTS))
            for step in plan(random.Random(seed), len(fakes)):
                steps.append(step)
                victims = [fakes[victim] for victim in step.victims]
                for fake in victims:
                    fake.seen.clear()
                    await strike(fake, step.calamity)
                await load.goes_on(30 // len(victims))
                for fake in victims:
                    if step.calamity != "killed":
                        await fake.saw(SLOTS)
                    await heal(fake, step.calamity)
                await gateway.until(are_well, f"all are well again after {step}")
                load.step += 1
            load.is_over = True
        await gateway.at_rest()
        await gateway.records()
        load.assert_only_to_be_expected(steps)
        load.assert_in_the_journal(tmp_path)
        assert {Ending.WHOLE, Ending.REFUSED, Ending.CUT, Ending.LEFT} == set(load.counts())
        assert all(each.slots.total == each.slots.size == SLOTS for each in replicas)
        assert "remuda_retries_refused_total 0.0" in gateway.remuda.metrics.render().decode()


async def test_told_to_stop_under_that_load_the_gateway_loses_nothing(tmp_path: Path) -> None:
    """Who was not answered at all was not taken in either: a connection may be closed when a request is on its way."""
    async with three_fakes(OF_ALL_KINDS) as fakes:
        file, data = tmp_path / "remuda.yaml", tmp_path / "data"
        file.write_text(json.dumps(settings(fakes, OF_ALL_KINDS)))  # JSON is YAML
        with remuda_serve(data, "--config", file, REMUDA_SERVER__SHUTDOWN_GRACE_S="600") as process:
            await asyncio.to_thread(process.wait_for, "Ctrl-C ends it")
            url = await asyncio.to_thread(lambda: process.url)
            load = Load(urlsplit(url).port or 0, seed=3)
            async with asyncio.TaskGroup() as group:
                group.create_task(load.clients(CLIENTS))
                await load.goes_on(300)
                load.is_ending = True
                process.signal()
            assert await asyncio.to_thread(process.ended) == 0
        load.assert_in_the_journal(data)
        assert set(load.counts()) <= set(Ending) - {Ending.CUT}
        assert {each.status for each in load.asked if each.ending is Ending.REFUSED} <= {503}
