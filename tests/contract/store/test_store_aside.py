"""What the other process tells is what this one would have told, on each kind of store."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.contract.store.rollup_cases import add, some_records
from tests.contract.store.samples import NOON, run_sql
from tests.fixtures.process import until

from remuda.core.clock import SystemClock
from remuda.core.money import NANO, Price
from remuda.dialects.observe import questions
from remuda.dialects.observe.spending import spending
from remuda.insight.history import traffic_of
from remuda.store import Store
from remuda.store.aside import Aside
from remuda.store.errors import StoreUnavailable

START, END = NOON - 5000, NOON + 5000
PRICES = {"*": Price(electricity_nano=NANO)}


@pytest.fixture
async def aside(store: Store) -> AsyncIterator[Aside]:
    """One that has its process."""
    made = Aside(store, SystemClock(), after_s=0.0)
    await made.run(Store.revision)
    await asyncio.to_thread(until, lambda: made.pid is not None, "it is ready")
    yield made
    await made.close()


async def test_every_question_has_the_same_answer_here_and_there(store: Store, aside: Aside) -> None:
    await add(store, some_records(7, 300, START, 10_000), 1)
    told = [
        await aside.run(questions.performance, START, END),
        await aside.run(questions.models, START, END),
        await aside.run(questions.series, START, END, "user", 10, 60),
        await aside.run(questions.values, START, END, is_told_all=True),
        await aside.run(spending, START, END, PRICES, Price(1, 2), is_told_all=True),
        await aside.run(traffic_of, START, END, 60),
    ]
    assert aside.beside == len(told)
    assert told == [
        await questions.performance(store, START, END),
        await questions.models(store, START, END),
        await questions.series(store, START, END, "user", 10, 60),
        await questions.values(store, START, END, is_told_all=True),
        await spending(store, START, END, PRICES, Price(1, 2), is_told_all=True),
        await traffic_of(store, START, END, 60),
    ]
    assert b'"requests":' in told[2]


async def test_a_store_that_is_not_as_it_should_be(store: Store, aside: Aside) -> None:
    await run_sql(store, "ALTER TABLE rollup_marks RENAME TO elsewhere")
    with pytest.raises(StoreUnavailable):
        await aside.run(questions.models, START, END)
    assert aside.beside == 1
