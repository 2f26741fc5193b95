"""What becomes of a question when the store is away, or is not what it should be."""

import pytest

from remuda.core.clock import SystemClock
from remuda.core.faults import Fault, Unavailable
from remuda.insight.analytics import Analytics
from remuda.store import Store, open_store
from remuda.store.aside import Aside
from remuda.store.rollup_reading import Question, answer, values_in
from tests.contract.store.rollup_cases import add
from tests.contract.store.samples import NOON, a_record, run_sql


@pytest.fixture
async def store(tmp_path):
    opened = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    await add(opened, [a_record(100), a_record(101)], 1)
    yield opened
    await opened.close()


def analytics(store: Store) -> Analytics:
    return Analytics(Aside(store, SystemClock(), after_s=None))


async def requests(store: Store, **fields: int) -> int:
    question = Question(NOON, NOON + 600, "model", exact_up_to=0, **fields)
    return (await answer(store, question)).total[0].tally.told.requests


async def test_answers(store):
    assert await analytics(store).ask(requests) == 2
    assert await analytics(store).ask(values_in, "model", NOON, NOON + 600, limit=5) == [("remuda-tiny", 2)]


async def test_a_store_that_does_not_answer(store):
    await run_sql(store, "ALTER TABLE rollup_marks RENAME TO elsewhere")
    with pytest.raises(Unavailable):
        await analytics(store).ask(requests)


async def test_what_cannot_be_read(store):
    await run_sql(store, "UPDATE rollups SET sketch_latency_us = x'0102'")
    with pytest.raises(Fault, match=r"^Analytics calculation failed: ") as failed:
        await analytics(store).ask(requests)
    assert type(failed.value) is Fault


async def test_what_is_not_rolled_up_yet_is_not_read_without_bound(store):
    await run_sql(store, "UPDATE counters SET value = 2 WHERE name = 'rollups'")
    assert await analytics(store).ask(requests) == 4
    with pytest.raises(Unavailable, match="more than 1 requests of that time are not added up yet"):
        await analytics(store).ask(requests, singly_up_to=1)
