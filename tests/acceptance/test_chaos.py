"""Three servers under load, while one after the other fails in another way: nothing is lost and no slot leaks."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.raw import RawAnswer, RawClient, post
from tests.fixtures.shared import gateway_before

CLIENTS = 6
SLOTS = 4
HEALTH = {
    "probe_every_s": 0.2,
    "probe_again_s": 0.1,
    "breaker_failures": 3,
    "breaker_window_s": 5,
    "breaker_pause_s": 0.1,
    "breaker_max_pause_s": 0.2,
    "slow_start_s": 0.3,
}


@dataclass
class Load:
    """Clients that ask one thing after the other, whole answers and streams by turns, until they are told to stop."""

    gateway: RunningGateway
    is_over: bool = False
    asked: int = 0
    answers: list[tuple[bool, RawAnswer]] = field(default_factory=list)
    """With each, whether a stream was asked for."""

    async def client(self) -> None:
        while not self.is_over:
            self.asked += 1
            is_stream = self.asked % 2 == 0
            ask = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}], "stream": is_stream}
            async with RawClient(self.gateway.port) as client:
                client.say(post(json.dumps(ask).encode()))
                self.answers.append((is_stream, await client.answer()))

    async def goes_on(self, n: int) -> None:
        """Return once `n` more requests were answered."""
        goal = len(self.answers) + n
        await self.gateway.until(lambda: len(self.answers) >= goal, f"{n} more answers")


def is_told_cut(answer: RawAnswer) -> bool:
    """Whether a stream broke off and said so."""
    return answer.status == 200 and answer.is_whole and "error" in answer.events[-1]


def is_good(is_stream: bool, answer: RawAnswer) -> bool:
    if answer.status != 200 or not answer.is_whole:
        return False
    if not is_stream:
        return bool(json.loads(answer.body)["choices"][0]["finish_reason"])
    return bool(answer.events[-1] == "[DONE]") and not any("error" in event for event in answer.events[:-1])


def misbehaves(fake: FakeUpstream, **how: Any) -> Callable[[], Any]:
    async def begin() -> None:
        fake.behave(**how)

    return begin


async def test_whatever_happens_to_one_of_three_servers_nothing_is_lost(tmp_path: Path):
    async with (
        FakeUpstream(ttft_s=0.02) as one,
        FakeUpstream(ttft_s=0.02) as two,
        FakeUpstream(ttft_s=0.02) as three,
        gateway_before(one, two, three, data_dir=tmp_path, health=HEALTH) as gateway,
    ):
        model = gateway.remuda.fleet.look_up("fake")
        assert model is not None
        for replica in model.replicas:
            replica.deadlines = replace(replica.deadlines, answer_s=0.5)

        def all_well() -> bool:
            return not len(gateway.remuda.breakers) and all(each.is_routable for each in model.replicas)

        load = Load(gateway)
        calamities = [
            ("one", one.aclose, one.__aenter__),
            ("two", misbehaves(two, fault=Fault.HANG), misbehaves(two)),
            ("three", misbehaves(three, fault=Fault.ERROR, status=500), misbehaves(three)),
            ("one", misbehaves(one, fault=Fault.DROP_BEFORE_HEAD, reset=True), misbehaves(one)),
        ]
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(load.client())
            for name, begin, end in calamities:
                await load.goes_on(20)
                [struck] = [each for each in model.replicas if each.id == f"{name}/fake"]
                await begin()
                await gateway.until(lambda struck=struck: not struck.is_routable, f"{name} is out")
                await load.goes_on(20)
                await end()
                await gateway.until(all_well, f"{name} is back")
            load.is_over = True

        assert len(load.answers) == load.asked
        bad = [(is_stream, answer) for is_stream, answer in load.answers if not is_good(is_stream, answer)]
        # A stream that had begun when its server was killed cannot be saved; but it must not look like a whole one.
        assert all(is_stream and is_told_cut(answer) for is_stream, answer in bad), bad
        assert len(bad) <= SLOTS
        await gateway.at_rest()
        assert all(each.slots.total == each.slots.size == SLOTS for each in model.replicas)
        page = gateway.remuda.metrics.render().decode()
        assert "remuda_retries_refused_total 0.0" in page
        assert gateway.remuda.retry_budget.taken >= 3 * len(calamities)
