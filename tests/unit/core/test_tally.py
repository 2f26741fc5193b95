"""Sums of requests: each request once, in whatever order, and parts that are the whole."""

import random

from hypothesis import given
from hypothesis import strategies as st

from remuda.core.sketch import bin_of
from remuda.core.tally import DIMENSIONS, UNSEEN_HIGH, UNSEEN_LOW, Counts, Tally, one_of, tallied
from tests.contract.store.samples import NOON, a_record

RECORDS = st.lists(
    st.builds(
        lambda moment, model, key, wait, tokens: a_record(
            started_at=NOON + moment, model=model, key_id=key, queue_wait_s=wait, completion_tokens=tokens
        ),
        st.floats(0, 600),
        st.sampled_from("abc"),
        st.sampled_from(["", "k"]),
        st.floats(0, 100),
        st.integers(0, 1000),
    ),
    min_size=1,
    max_size=30,
)


def test_one_request():
    record = a_record(duration_s=2.0, ttft_s=0.5, completion_tokens=30, energy_j=1.5, cost_nano=7, user_id="u")
    tally = Tally.of([one_of(record, 0.8512)])
    assert tally.told == Counts(
        requests=1, streamed=1, prompt_tokens=12, completion_tokens=30, cached_tokens=5, latency_us=2_000_000,
        first_tokens=1, ttft_us=500_000, rated=1, rate_milli=15_000, queue_wait_us=1000, score_e4=8512, cost_nano=7,
        metered=1, energy_mj=1500,
    )  # fmt: skip
    assert tuple(tally.lows) == tuple(tally.highs) == (2_000_000, 500_000, 15_000, 1000, 8512)
    assert tally.sketches == ({bin_of(2_000_000): 1}, {bin_of(500_000): 1}, {bin_of(15_000): 1})


def test_a_request_without_content():
    tally = Tally.of([one_of(a_record(ttft_s=None, completion_tokens=0, status=502, is_truncated=True), 0.0)])
    told = tally.told
    assert (told.errors, told.truncated, told.first_tokens, told.rated, told.metered) == (1, 1, 0, 0, 0)
    assert (tally.lows[1], tally.highs[1], tally.lows[2]) == (UNSEEN_LOW, UNSEEN_HIGH, UNSEEN_LOW)
    assert tally.sketches[1:] == ({}, {})
    assert Tally.of([one_of(a_record(fault="stream_cut"), 0.0)]).told.errors == 1


@given(RECORDS, st.integers(0, 30), st.randoms())
def test_the_order_and_the_parts_do_not_matter(records, at, chance: random.Random):
    ones = [one_of(record, 0.5) for record in records]
    whole = Tally.of(ones)
    parts = [Tally.of(part) for part in (ones[:at], ones[at:]) if part]
    assert Tally.sum(parts) == whole
    chance.shuffle(ones)
    assert Tally.of(ones) == whole
    if at and at < len(ones):
        left = whole.without(parts[0])
        assert (list(left.counts), left.sketches) == (list(parts[1].counts), tuple(parts[1].sketches))


@given(RECORDS)
def test_each_dimension_comes_to_the_whole(records):
    found = tallied(records, [0.5] * len(records), 60)
    for bucket in {place[0] for place in found}:
        whole = found[bucket, "all", ""]
        assert whole.counts[0] == sum(1 for record in records if record.started_at // 60 * 60 == bucket)
        ones = [one_of(record, 0.5) for record in records if record.started_at // 60 * 60 == bucket]
        assert whole == Tally.of(ones)
        for dimension in DIMENSIONS:
            parts = [tally for (start, name, _), tally in found.items() if (start, name) == (bucket, dimension)]
            assert Tally.sum(parts) == whole


def test_only_the_dimensions_that_are_wanted():
    records = [a_record(model="a", key_id="k")]
    assert {place[1:] for place in tallied(records, [0.0], 60, ("all",))} == {("all", "")}
    assert {place[1:] for place in tallied(records, [0.0], 60, ("all", "key"))} == {("all", ""), ("key", "k")}


def test_nothing_comes_to_nothing():
    assert tallied([], [], 60) == {}


def test_tallies_that_differ():
    assert Tally() != Tally.of([one_of(a_record(), 0.0)])
    assert Tally() != 0
