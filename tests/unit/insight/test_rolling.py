"""The rollups of a store are kept while a gateway runs."""

import asyncio
from dataclasses import replace

import pytest

from remuda.core.spans import DAY, FIVE_MINUTES, HOUR, MINUTE
from remuda.insight.rolling import BREATH_S, EVERY_S, Roller
from remuda.store import open_store
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.rollups import marks_of, untold_id
from remuda.testing.clock import FakeClock
from tests.contract.store.rollup_cases import LEDGER, add
from tests.contract.store.samples import NOON, a_record, run_sql

KEPT = {MINUTE: DAY, FIVE_MINUTES: DAY, HOUR: DAY, DAY: 0}


@pytest.fixture
async def store(tmp_path):
    opened = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    yield opened
    await opened.close()


class Hurried(FakeClock):
    """One on which the pauses within a look are over at once."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(0 if seconds == BREATH_S else seconds)


async def test_all_that_is_due_is_done_in_one_look(store):
    store.ledger = replace(LEDGER, hooks=())
    await write_batches(store, [Batch("w", 1, [a_record(number) for number in range(10)])], NOON, is_durable=False)
    await run_sql(store, "UPDATE counters SET value = 10 WHERE name = 'rollups'")
    await add(store, [a_record(20)], 2)
    now = NOON + 5 * DAY
    await Roller(store, Hurried(wall=now), KEPT).look(is_pruning=True)
    assert await store.read(untold_id) == 0
    marks = await store.read(marks_of)
    assert [mark.until for mark in marks[1:]] == [int(now - 120) // grain * grain for grain in (300, 3600, 86_400)]
    assert [mark.since > 0 for mark in marks] == [True, True, True, False]


async def test_it_goes_on_where_the_store_did_not_answer(store):
    clock = Hurried(wall=NOON)
    await run_sql(store, "ALTER TABLE rollup_marks RENAME TO elsewhere")
    running = asyncio.create_task(Roller(store, clock, KEPT).run())
    await clock.asleep()
    await run_sql(store, "ALTER TABLE elsewhere RENAME TO rollup_marks")
    await clock.advance(EVERY_S)
    await clock.asleep()
    assert (await store.read(marks_of))[1].until > 0
    running.cancel()
    await asyncio.wait([running])
