from typing import get_args

import pytest

from remuda.app.settings.model import PolicyName
from remuda.core.ask import Ask, Operation
from remuda.fleet.policies.lowest_latency import FORGOTTEN_S
from remuda.fleet.policies.named import Policies
from remuda.testing.clock import FakeClock
from tests.unit.fleet.policies.test_lowest_latency import record
from tests.unit.fleet.samples import replica

ASK = Ask(Operation.CHAT, "m", False, False, 1, b'{"messages":[]}')


@pytest.mark.parametrize("name", get_args(PolicyName))
def test_every_name_of_the_settings_chooses_a_candidate(name: str) -> None:
    policies = Policies(FakeClock().monotonic, lambda: 0.5)
    candidates = [replica("a", in_use=1), replica("b")]
    choose = policies.named(name)
    assert {choose(candidates, turn, ASK) in candidates for turn in range(4)} == {True}
    assert choose(candidates[:1], 7, ASK) is candidates[0]


@pytest.mark.parametrize(
    ("name", "chosen"),
    [("least_active", "bbbb"), ("round_robin", "abab"), ("weighted", "aaba"), ("lowest_latency", "bbbb")],
)
def test_names_mean_what_they_say(name: str, chosen: str) -> None:
    choose = Policies(FakeClock().monotonic, lambda: 0.5).named(name)
    candidates = [replica("a", in_use=1, weight=3), replica("b")]
    assert "".join(choose(candidates, turn, ASK).id[0] for turn in range(4)) == chosen


async def test_latency_is_learnt_from_finished_requests_by_all_models_alike() -> None:
    clock = FakeClock()
    policies = Policies(clock.monotonic, lambda: 0.5)
    candidates = [replica("a"), replica("b")]
    policies.learn([record(replica="a/m", ttft_s=2.0), record(replica="b/m", ttft_s=1.0)])
    for choose in (policies.named("lowest_latency"), policies.named("lowest_latency")):
        assert [choose(candidates, turn, ASK).id for turn in range(3)] == ["b/m"] * 3
    await clock.advance(FORGOTTEN_S)
    assert {policies.named("lowest_latency")(candidates, turn, ASK).id for turn in range(2)} == {"a/m", "b/m"}


def test_chance_is_drawn_for_each_choice() -> None:
    chances = iter([0.5, 0.0])
    policies = Policies(FakeClock().monotonic, lambda: next(chances))
    policies.learn([record(replica="a/m", ttft_s=2.0), record(replica="b/m", ttft_s=1.0)])
    choose = policies.named("lowest_latency")
    assert [choose([replica("a"), replica("b")], 0, ASK).id for _ in range(2)] == ["b/m", "a/m"]
