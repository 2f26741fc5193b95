"""Questions about spans of time: which values are told, and how exactly."""

import pytest
from tests.contract.store.rollup_cases import add, roll_up, some_records
from tests.contract.store.samples import NOON, a_record

from remuda.core.spans import DAY, FIVE_MINUTES, HOUR, MINUTE
from remuda.store import Store
from remuda.store.rollup_reading import Question, answer, values_in
from remuda.store.rollups import prune_rollups


async def test_the_most_frequent_values_come_first(store: Store):
    records = [a_record(number, user_id=f"u{number % 5 if number < 50 else 0}") for number in range(60)]
    await add(store, records, 1)
    assert await values_in(store, "user", NOON, NOON + 60, 3) == [("u0", 20), ("u1", 10), ("u2", 10)]
    assert await values_in(store, "user", NOON + 90, NOON + 90, 3) == []
    told = await answer(store, Question(NOON, NOON + 60, "user", top=2))
    assert list(told.groups) == ["u0", "u1", None]
    assert told.groups[None][0].tally.counts[0] == 30


async def test_quantiles_are_exact_up_to_a_bound_and_near_beyond(store: Store):
    records = some_records(8, 200, NOON, 3000)
    await add(store, records, 1)
    exact = await answer(store, Question(NOON, NOON + 3000, "model"))
    near = await answer(store, Question(NOON, NOON + 3000, "model", exact_up_to=199))
    assert (exact.is_exact, near.is_exact) == (True, False)
    for value, chosen in {None: records, **{v: [r for r in records if r.model == v] for v in "abc"}}.items():
        durations = sorted(record.duration_s * 1e6 for record in chosen)
        wanted = [durations[int(len(durations) * share)] for share in (0.5, 0.95, 0.99)]
        told, roughly = (each.total if value is None else each.groups[value] for each in (exact, near))
        assert told[0].quantiles["latency_us"] == wanted
        assert roughly[0].quantiles["latency_us"] == pytest.approx(wanted, rel=0.0101)


async def test_points_are_as_long_as_the_grain_that_is_kept(store: Store):
    await add(store, some_records(9, 40, NOON, DAY), 1)
    await roll_up(store, NOON + 10 * DAY)
    await prune_rollups(store, {MINUTE: DAY, FIVE_MINUTES: DAY})
    old = await answer(store, Question(NOON, NOON + DAY, width_s=7 * MINUTE))
    assert old.width_s == HOUR
    assert all(point % HOUR == 0 for point in old.total)
    assert sum(each.tally.counts[0] for each in old.total.values()) == 40
    assert (await answer(store, Question(NOON + 10 * DAY, NOON + 11 * DAY, width_s=7 * MINUTE))).width_s == 7 * MINUTE


async def test_only_counts_of_groups(store: Store):
    records = some_records(10, 200, NOON, DAY)
    await add(store, records, 1)
    await roll_up(store, NOON + 2 * DAY)
    whole = await answer(store, Question(NOON + 5.5, NOON + DAY, "model", top=2))
    counts = await answer(store, Question(NOON + 5.5, NOON + DAY, "model", top=2, wants_only_counts=True))
    assert list(whole.groups) == list(counts.groups)
    for value, points in whole.groups.items():
        assert list(counts.groups[value][0].tally.counts) == list(points[0].tally.counts)
    assert counts.total == whole.total
