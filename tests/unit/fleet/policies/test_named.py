import json
from typing import get_args

import pytest

from remuda.app.settings.model import PolicyName
from remuda.core.ask import Ask, Operation
from remuda.fleet.policies.lowest_latency import FORGOTTEN_S
from remuda.fleet.policies.named import MAX_READ_BYTES, Policies
from remuda.testing.clock import FakeClock
from tests.unit.fleet.policies.test_lowest_latency import record
from tests.unit.fleet.samples import replica

ASK = Ask(Operation.CHAT, "m", False, False, 1, b'{"messages":[]}')


@pytest.mark.parametrize("name", get_args(PolicyName))
def test_every_name_of_the_settings_chooses_a_candidate(name: str) -> None:
    policies = Policies(FakeClock().monotonic, lambda: 0.5)
    candidates = [replica("a", in_use=1), replica("b")]
    choose = policies.named(name)
    assert {choose(candidates, turn, ASK, "r") in candidates for turn in range(4)} == {True}
    assert choose(candidates[:1], 7, ASK, "r") is candidates[0]


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("least_active", "bbbb"),
        ("round_robin", "abab"),
        ("weighted", "aaba"),
        ("lowest_latency", "bbbb"),
        ("prefix_affinity", "bbbb"),
    ],
)
def test_names_mean_what_they_say(name: str, chosen: str) -> None:
    choose = Policies(FakeClock().monotonic, lambda: 0.5).named(name)
    candidates = [replica("a", in_use=1, weight=3), replica("b")]
    assert "".join(choose(candidates, turn, ASK, "r").id[0] for turn in range(4)) == chosen


async def test_latency_is_learnt_from_finished_requests_by_all_models_alike() -> None:
    clock = FakeClock()
    policies = Policies(clock.monotonic, lambda: 0.5)
    candidates = [replica("a"), replica("b")]
    policies.learn([record(replica="a/m", ttft_s=2.0), record(replica="b/m", ttft_s=1.0)])
    for choose in (policies.named("lowest_latency"), policies.named("lowest_latency")):
        assert [choose(candidates, turn, ASK, "r").id for turn in range(3)] == ["b/m"] * 3
    await clock.advance(FORGOTTEN_S)
    assert {policies.named("lowest_latency")(candidates, turn, ASK, "r").id for turn in range(2)} == {"a/m", "b/m"}


def test_chance_is_drawn_for_each_choice() -> None:
    chances = iter([0.5, 0.0])
    policies = Policies(FakeClock().monotonic, lambda: next(chances))
    policies.learn([record(replica="a/m", ttft_s=2.0), record(replica="b/m", ttft_s=1.0)])
    choose = policies.named("lowest_latency")
    assert [choose([replica("a"), replica("b")], 0, ASK, "r").id for _ in range(2)] == ["b/m", "a/m"]


def chat(*messages: str, operation: Operation = Operation.CHAT) -> Ask:
    body = {"messages": [{"role": "user", "content": message} for message in messages], "input": list(messages)}
    return Ask(operation, "m", False, False, 1, json.dumps(body).encode())


def chosen(*asks: Ask) -> str:
    """The replicas that get these asks, one after the other; nothing else is under way."""
    choose = Policies(FakeClock().monotonic, lambda: 0.5).named("prefix_affinity")
    candidates = [replica("a"), replica("b"), replica("c")]
    return "".join(choose(candidates, turn, ask, str(turn)).id[0] for turn, ask in enumerate(asks))


def test_a_conversation_goes_on_where_it_began() -> None:
    one, two = "1" * 300, "2" * 300
    asks = [chat(one), chat(two), chat(one, "more"), chat(two, "more"), chat(one, "more", "and more")]
    assert chosen(*asks) == "ababa"
    assert chosen(chat("short"), chat("short"), chat("short")) == "abc", "too short to count"


@pytest.mark.parametrize("operation", [Operation.EMBEDDING, Operation.RERANK])
def test_what_no_engine_goes_on_from_is_spread(operation: Operation) -> None:
    ask = chat("x" * 300, operation=operation)
    assert chosen(ask, ask, ask) == "abc"


def test_bodies_are_read_up_to_a_bound() -> None:
    small, large = chat("x" * (MAX_READ_BYTES // 2 - 1000)), chat("x" * (MAX_READ_BYTES // 2 + 1000))
    assert len(small.body) <= MAX_READ_BYTES < len(large.body)
    assert chosen(small, small) == "aa"
    assert chosen(large, large) == "ab"


def test_a_body_of_any_shape_is_taken() -> None:
    broken = Ask(Operation.CHAT, "m", False, False, 1, b"\xff[" * 1000)
    assert chosen(broken, broken) == "aa"


def test_what_a_replica_has_lost_or_failed_is_learnt() -> None:
    policies = Policies(FakeClock().monotonic, lambda: 0.5)
    choose = policies.named("prefix_affinity")
    candidates = [replica("a"), replica("b")]
    ask = chat("x" * 1000)
    assert choose(candidates, 0, ask, "1").id == "a/m"
    assert choose(candidates, 1, ask, "2").id == "a/m"
    policies.left(["a/m"])
    assert choose(candidates, 1, ask, "3").id == "b/m"
    policies.learn([record(id="3", replica="b/m", fault="upstream_failed", ttft_s=None)])
    assert choose(candidates, 2, ask, "4").id == "a/m"

    policies = Policies(FakeClock().monotonic, lambda: 0.5)
    fastest = policies.named("lowest_latency")
    policies.learn([record(replica="a/m", ttft_s=0.1), record(replica="b/m", ttft_s=0.5)])
    assert fastest(candidates, 1, ask, "5").id == "a/m"
    policies.failed("a/m")
    assert fastest(candidates, 1, ask, "6").id == "b/m"
