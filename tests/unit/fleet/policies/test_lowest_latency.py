from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.record import RequestRecord
from remuda.fleet.policies.lowest_latency import (
    EXPLORED,
    FAILED_S,
    FORGOTTEN_S,
    LEAST_WEIGHT,
    MAX_REPLICAS,
    SETTLED_S,
    Latencies,
    lowest_latency,
)
from tests.unit.fleet.samples import replica

NEVER = 0.999
"""A chance that explores nothing."""


@pytest.mark.parametrize(
    ("ttft_s", "in_use", "turn", "chance", "chosen"),
    [
        ([0.2, 0.1], [0, 0], 0, NEVER, 1),
        ([0.2, 0.1], [0, 0], 1, NEVER, 1),
        ([0.1], [3], 5, NEVER, 0),
        ([0.1, 0.1], [0, 0], 0, NEVER, 0),  # equals take turns
        ([0.1, 0.1], [0, 0], 1, NEVER, 1),
        ([0.3, 0.1], [0, 1], 0, NEVER, 1),  # twice 0.1 is less than once 0.3
        ([0.3, 0.1], [0, 3], 0, NEVER, 0),  # the faster one has too much to do
        ([None, None], [0, 0], 0, NEVER, 0),  # nobody is known: the least active
        ([None, None], [2, 1], 0, NEVER, 1),
        ([None, 0.1, 0.4], [0, 0, 0], 0, NEVER, 1),  # the unknown counts as slow as the slowest
        ([None, 0.1, 0.4], [0, 3, 3], 0, NEVER, 0),  # and is tried once others are busy
        ([9.0, 0.1], [0, 0], 0, 0.0, 0),  # by chance anybody is
        ([9.0, 0.1], [0, 0], 0, EXPLORED * 0.49, 0),
        ([0.1, 9.0], [0, 0], 0, EXPLORED * 0.51, 1),
        ([0.1, 9.0], [0, 0], 0, EXPLORED, 0),
    ],
)
def test_lowest_latency(ttft_s: list[float | None], in_use: list[int], turn: int, chance: float, chosen: int) -> None:
    candidates = [replica(str(number), in_use=taken) for number, taken in enumerate(in_use)]
    known = {each.id: time for each, time in zip(candidates, ttft_s, strict=True) if time is not None}
    assert lowest_latency(candidates, turn, known, chance) is candidates[chosen]


@given(count=st.integers(1, 50), chance=st.floats(0, 1, exclude_max=True), turn=st.integers(0, 1000))
def test_any_chance_leads_to_a_candidate(count: int, chance: float, turn: int) -> None:
    candidates = [replica(str(number)) for number in range(count)]
    assert lowest_latency(candidates, turn, {}, chance) in candidates


def record(**values: Any) -> RequestRecord:
    usual = RequestRecord(
        id="r", started_at=0, dialect="openai", operation="chat", model="m", replica="a/m", key_id="", status=200,
        fault="", is_streamed=True, attempts=1, queue_wait_s=0.0, ttft_s=1.0, duration_s=9.0, prompt_tokens=1,
        completion_tokens=1, cached_tokens=0, tokens_estimated=False, bytes_in=1, bytes_out=1, finish_reason="stop",
    )  # fmt: skip
    return usual._replace(**values)


ONE = replica("a")


@pytest.mark.parametrize(
    ("values", "learnt"),
    [
        ({}, {"a/m": 1.0}),
        ({"queue_wait_s": 0.75}, {"a/m": 0.25}),  # the wait is not the replica's doing
        ({"queue_wait_s": 2.0}, {"a/m": 0.0}),
        ({"ttft_s": None}, {}),
        ({"attempts": 2}, {}),
        ({"is_streamed": False}, {}),
        ({"replica": "b/m"}, {}),
        ({"ttft_s": None, "fault": "upstream_failed"}, {"a/m": FAILED_S}),  # a quick failure is not a quick answer
        ({"ttft_s": None, "fault": "upstream_timeout", "is_streamed": False}, {"a/m": FAILED_S}),
        ({"ttft_s": None, "fault": "rate_limit_exceeded", "attempts": 2}, {"a/m": FAILED_S}),
        ({"ttft_s": None, "fault": "rate_limit_exceeded", "attempts": 0}, {}),  # our own limit: nobody was asked
        ({"ttft_s": None, "fault": "client_gone"}, {}),
        ({"ttft_s": None, "fault": "upstream_refused"}, {}),  # the client's fault
        ({"fault": "stream_cut"}, {"a/m": 1.0}),
    ],
)
def test_what_is_learnt_of_a_request(values: dict[str, Any], learnt: dict[str, float]) -> None:
    latencies = Latencies()
    latencies.learn([record(**values)], 5.0)
    assert latencies.of([ONE], 5.0) == learnt


def test_who_fails_at_once_does_not_get_every_request() -> None:
    """It is never busy, and was fast as long as it was well."""
    herd = [replica("broken"), replica("well")]
    latencies = Latencies()
    latencies.measure("broken/m", 0.01, 0.0)
    latencies.measure("well/m", 0.5, 0.0)
    chosen = []
    for turn in range(20):
        choice = lowest_latency(herd, turn, latencies.of(herd, turn), NEVER)
        chosen.append(choice.id)
        if choice is herd[0]:
            latencies.failed(choice.id, turn)
        else:
            latencies.measure(choice.id, 0.5, turn)
    assert chosen == ["broken/m"] + ["well/m"] * 19


def test_the_past_fades() -> None:
    latencies = Latencies()
    latencies.measure("a/m", 1.0, 0.0)
    latencies.measure("a/m", 2.0, 0.0)
    assert latencies.of([ONE], 0.0)["a/m"] == pytest.approx(1 + LEAST_WEIGHT)
    latencies.measure("a/m", 0.1, SETTLED_S * 20)
    assert latencies.of([ONE], SETTLED_S * 20)["a/m"] == pytest.approx(0.1)


def test_what_is_old_is_forgotten() -> None:
    latencies = Latencies()
    latencies.measure("a/m", 1.0, 0.0)
    assert latencies.of([ONE], FORGOTTEN_S - 1)
    assert not latencies.of([ONE], FORGOTTEN_S)


def test_the_one_unmeasured_for_longest_makes_room() -> None:
    latencies = Latencies()
    for number in range(MAX_REPLICAS):
        latencies.measure(f"{number}/m", 1.0, 0.0)
    latencies.measure("0/m", 1.0, 0.0)
    latencies.measure("one-more/m", 1.0, 0.0)
    assert len(latencies) == MAX_REPLICAS
    assert set(latencies.of([replica("0"), replica("1"), replica("one-more")], 0.0)) == {"0/m", "one-more/m"}


def test_a_bad_sample_is_not_for_ever() -> None:
    """A replica that was slow once is tried again by chance, and soon counts as fast as it is."""
    herd = [replica("slow"), replica("fast")]
    latencies = Latencies()
    latencies.measure("slow/m", 30.0, 0.0)
    latencies.measure("fast/m", 0.1, 0.0)
    for turn in range(16 * 60):
        now = turn * 0.1
        chance = turn * 0.6180339887498949 % 1
        choice = lowest_latency(herd, turn, latencies.of(herd, now), chance)
        latencies.measure(choice.id, 0.1, now)
    assert latencies.of(herd, now)["slow/m"] < 0.11
