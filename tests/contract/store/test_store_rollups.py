"""What requests come to: the same from rollups as from the requests, whatever happened in between."""

from dataclasses import replace

import pytest
from tests.contract.store.rollup_cases import LEDGER, add, expected, roll_up, some_records
from tests.contract.store.samples import NOON, a_record, run_sql

from remuda.core.spans import ALWAYS, DAY, FIVE_MINUTES, HOUR, MINUTE, Mark
from remuda.core.tally import Tally
from remuda.store import Store, StoreRefused, open_store
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.rollup_reading import Question, answer
from remuda.store.rollups import (
    MAX_SUM,
    next_step,
    prune_rollups,
    roll_up_journal,
    rows_of,
    take_step,
)
from remuda.store.rollups import marks_of as marks_in
from remuda.store.schema_insight_rollups import rollups

ALL = object()
FIELDS = {"model": "model", "replica": "replica", "key": "key_id", "user": "user_id"}


async def marks_of(store: Store) -> list[Mark]:
    return await store.read(marks_in)


def parts_of(tally: Tally, *, is_series: bool, has_sketches: bool) -> list[list]:
    extremes = [] if is_series else [list(tally.lows), list(tally.highs)]
    return [list(tally.counts), *extremes, list(tally.sketches) if has_sketches else []]


async def assert_told(store: Store, records, start: float, end: float, **options) -> None:
    """The store tells of the span what the records say, in all and by each dimension."""
    width = options.get("width_s")
    for dimension in ("all", *FIELDS):
        told = await answer(store, Question(start, end, dimension, **options))
        groups = {ALL: told.total, **told.groups}
        for value, points in groups.items():
            fields = {} if value is ALL else {FIELDS[dimension]: value}
            for point, sum_ in points.items():
                since, until = (max(start, point), min(end, point + width)) if width else (start, end)
                if value is not None:
                    found, wanted = (
                        parts_of(tally, is_series=width is not None, has_sketches=not told.is_exact)
                        for tally in (sum_.tally, expected(records, since, until, **fields))
                    )
                    assert found == wanted, (dimension, value, point)
        assert sum(each.tally.counts[0] for each in told.total.values()) == expected(records, start, end).counts[0]
        if dimension != "all":
            for point, sum_ in told.total.items():
                parts = [points[point].tally.counts for points in told.groups.values() if point in points]
                assert [sum(each) for each in zip(*parts, strict=True)] == list(sum_.tally.counts)


async def test_spans_of_all_grains_come_to_what_their_requests_do(store: Store):
    records = some_records(1, 600, NOON, 3 * DAY)
    for number, at in enumerate(range(0, 600, 100), 1):
        await add(store, records[at : at + 100], number)
        await roll_up(store, NOON + number * DAY / 2)
    assert await roll_up(store, NOON + 4 * DAY) > 0
    day = (NOON + 4 * DAY - 120) // DAY * DAY
    assert (await marks_of(store))[0].until == ALWAYS
    assert (await marks_of(store))[3].until == day
    for start, end in (
        (NOON, NOON + 3 * DAY),
        (NOON - DAY, NOON + 9 * DAY),
        (NOON + 1234.5, NOON + 2 * DAY + 77.25),
        (NOON + 100, NOON + 161),
        (NOON + 5, NOON + 6),
    ):
        await assert_told(store, records, start, end)
        await assert_told(store, records, start, end, exact_up_to=0, top=2)
    await assert_told(store, records, NOON + 1234.5, NOON + 2 * DAY + 77.25, width_s=HOUR, top=2, exact_up_to=0)
    await assert_told(store, records, NOON + 1234.5, NOON + DAY + 77.25, width_s=15 * MINUTE, top=2)


async def test_a_batch_that_is_offered_again_counts_once(store: Store):
    records = some_records(2, 50, NOON, 600)
    await add(store, records, 1)
    await add(store, records, 1)
    await assert_told(store, records, NOON, NOON + 600)


async def test_what_is_recorded_late_is_in_all_grains(store: Store):
    records = some_records(3, 40, NOON, 2 * DAY)
    await add(store, records[:20], 1)
    await roll_up(store, NOON + 5 * DAY)
    await prune_rollups(store, {MINUTE: 3600, FIVE_MINUTES: 7200})
    await add(store, records[20:], 2)
    await roll_up(store, NOON + 5 * DAY)
    await assert_told(store, records, NOON - 1, NOON + 2 * DAY)
    await assert_told(store, records, NOON + 10_000.5, NOON + DAY + 7)


async def test_a_hook_that_was_undone_left_nothing(store: Store):
    def fail(connection, records, scores, first_id):
        raise StoreRefused("no")

    records = some_records(4, 20, NOON, 600)
    store.ledger = replace(LEDGER, hooks=(*LEDGER.hooks, fail))
    with pytest.raises(StoreRefused):
        await write_batches(store, [Batch("w", 1, records)], NOON, is_durable=False)
    await add(store, records, 1)
    await assert_told(store, records, NOON, NOON + 600)


async def test_a_step_is_not_taken_where_something_came_in_between(store: Store):
    records = some_records(5, 60, NOON, 200)
    await add(store, records[:30], 1)
    step = await next_step(store, NOON + 3600)
    assert step is not None
    rows = rows_of(step)
    await add(store, records[30:], 2)
    assert not await take_step(store, step, rows)
    again = await next_step(store, NOON + 3600)
    assert again is not None
    assert await take_step(store, again, rows_of(again))
    assert not await take_step(store, again, [])
    await assert_told(store, records, NOON - 1000, NOON + 1000)


async def test_a_journal_from_before_is_rolled_up_once(store: Store, store_url: str):
    records = some_records(6, 50, NOON, 2 * DAY)
    store.ledger = replace(LEDGER, hooks=())
    await write_batches(store, [Batch("w", 1, records[:40])], NOON, is_durable=False)
    await run_sql(store, "UPDATE counters SET value = 40 WHERE name = 'rollups'")
    await run_sql(store, f"UPDATE rollup_marks SET until = {(NOON + DAY) // 86_400 * 86_400} WHERE grain > 60")
    await add(store, records[40:], 2)
    await assert_told(store, records, NOON, NOON + 2 * DAY)
    assert await roll_up_journal(store, 15) == 15
    await assert_told(store, records, NOON, NOON + 2 * DAY)
    assert [await roll_up_journal(store, 15) for _ in range(4)] == [15, 10, 0, 0]
    await roll_up(store, NOON + 5 * DAY)
    await run_sql(store, "DELETE FROM journal")
    await assert_told(store, records, (NOON - DAY) // DAY * DAY, (NOON + 4 * DAY) // DAY * DAY)


async def test_only_what_is_in_a_coarser_grain_is_pruned(store: Store):
    records = some_records(7, 50, NOON, 3 * DAY)
    await add(store, records, 1)
    await prune_rollups(store, {MINUTE: 60, FIVE_MINUTES: 300, HOUR: 3600, DAY: 0})
    assert [mark.since for mark in await marks_of(store)] == [0, 0, 0, 0]
    await roll_up(store, NOON + 10 * DAY)
    removed = await prune_rollups(store, {MINUTE: DAY, FIVE_MINUTES: DAY, HOUR: DAY})
    assert removed > 0
    assert await prune_rollups(store, {MINUTE: DAY, FIVE_MINUTES: DAY, HOUR: DAY}) == 0
    day = (NOON + 10 * DAY - 120) // DAY * DAY
    assert (await marks_of(store))[2].since == day - DAY
    await assert_told(store, records, NOON + 0.5, NOON + 3 * DAY)


async def test_days_are_pruned_too_where_they_shall_be(store: Store):
    await add(store, [a_record()], 1)
    await roll_up(store, NOON + 10 * DAY)
    await prune_rollups(store, dict.fromkeys((MINUTE, FIVE_MINUTES, HOUR, DAY), DAY))
    left = await store.read(lambda connection: connection.execute(rollups.select()).all())
    assert left == []


async def test_numbers_beyond_all_sense_do_not_keep_a_batch_out(store: Store):
    most = 2**62
    await add(store, [a_record(prompt_tokens=most), a_record(prompt_tokens=most)], 1)
    await add(store, [a_record(prompt_tokens=most)], 2)
    told = await answer(store, Question(NOON, NOON + 60))
    assert told.total[0].tally.told.prompt_tokens >= MAX_SUM
    with pytest.raises(StoreRefused):
        await add(store, [a_record(duration_s=float("nan"))], 3)


async def test_values_without_bound_are_bounded_in_coarser_grains(store: Store):
    records = [a_record(0, user_id=f"u{number}") for number in range(2100)] + [a_record(0, user_id="u7")]
    await add(store, records, 1)
    await roll_up(store, NOON + 3600)
    wanted = rollups.select().where(rollups.c.grain == FIVE_MINUTES, rollups.c.dimension == "user")
    rows = await store.read(lambda connection: connection.execute(wanted).all())
    assert len(rows) == 2001
    assert {row.requests for row in rows if row.value == "(others)"} == {100}
    assert {row.requests for row in rows if row.value == "u7"} == {2}


async def test_two_gateways_roll_up_the_same_store(store: Store, store_url: str):
    other = await open_store(store_url)
    records = some_records(9, 60, NOON, DAY)
    await add(store, records[:30], 1)
    await add(other, records[30:], 1, "other")
    for each in (store, other, store):
        step = await next_step(each, NOON + 3 * DAY)
        assert step is not None
        assert await take_step(each, step, rows_of(step))
    await roll_up(other, NOON + 3 * DAY)
    await assert_told(store, records, NOON, NOON + DAY)
    await other.close()
