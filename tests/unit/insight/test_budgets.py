"""Budgets as a running gateway knows them."""

import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC

import msgspec
import pytest

from remuda.core.budget import Budget, BudgetTerms, Period, Scope
from remuda.core.faults import BudgetExceeded
from remuda.core.moments import iso_time
from remuda.core.money import NANO
from remuda.core.tasks import Tasks
from remuda.insight.budgets import LOOK_S, Budgets, crossing_of, used_of
from remuda.store import Store, open_store
from remuda.store.budget_usage import Accrual
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.ledger import Ledger
from remuda.testing.clock import FakeClock
from tests.contract.store.samples import a_record, run_sql

TERMS = BudgetTerms("b", Period.DAILY, 100, is_hard=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path, clock) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/remuda.db", Ledger(hooks=(Accrual(UTC, clock.wall),)))
    yield opened
    await opened.close()


async def spend(store: Store, clock: FakeClock, nano: int, number: int = 1, writer: str = "w") -> None:
    record = a_record(started_at=clock.wall(), cost_nano=nano)
    await write_batches(store, [Batch(writer, number, [record])], clock.wall(), is_durable=True)


@contextlib.asynccontextmanager
async def running(budgets: Budgets, clock: FakeClock) -> AsyncIterator[None]:
    tasks = Tasks("test")
    tasks.start(budgets.run(), "budgets")
    await clock.asleep()
    yield
    await tasks.close()


async def test_changes_are_heard_wherever_they_are_made(store, clock):
    budgets, elsewhere = Budgets(store, clock, UTC), Budgets(store, clock, UTC)
    told = []
    budgets.on_change(lambda: told.append(bool(budgets.stops)))
    made = await elsewhere.add(TERMS)
    await budgets.renew()
    await elsewhere.change(made.id, BudgetTerms("b", Period.DAILY, 100))
    await budgets.renew()
    assert told == [True, False]
    assert await budgets.one(made.id) == (await budgets.all())[0]
    assert await elsewhere.change(made.id + 1, TERMS) is None
    assert await elsewhere.remove(made.id)
    assert not await elsewhere.remove(made.id)
    assert await budgets.all() == []
    assert await budgets.one(made.id) is None


async def test_models_are_named_with_or_without_latest(store, clock):
    budgets = Budgets(store, clock, UTC)
    made = await budgets.add(BudgetTerms("b", Period.DAILY, 100, Scope.MODEL, "llama2:latest"))
    assert made.terms.subject == "llama2"


async def test_own_costs_count_once_on_their_way_to_the_store(store, clock):
    budgets = Budgets(store, clock, UTC, "mine")
    await budgets.add(TERMS)
    record = a_record(started_at=clock.wall(), cost_nano=60)
    asked = record.model, record.key_id, record.user_id
    budgets.stops.charge(*asked, 60, clock.wall())
    budgets.stops.batched(1, [record])
    await budgets.renew()
    with pytest.raises(BudgetExceeded):
        budgets.stops.reserve(*asked, 41)
    await spend(store, clock, 60, writer="mine")
    await budgets.renew()
    with pytest.raises(BudgetExceeded):
        budgets.stops.reserve(*asked, 41)
    assert budgets.stops.reserve(*asked, 40) is not None


async def test_what_others_use_is_seen_soon(store, clock, caplog):
    budgets = Budgets(store, clock, UTC)
    crossed = []
    budgets.on_crossed(crossed.append)
    await budgets.add(TERMS)
    async with running(budgets, clock):
        await spend(store, clock, 75)
        with caplog.at_level(logging.WARNING):
            await clock.advance(LOOK_S)
            await clock.asleep()
        with pytest.raises(BudgetExceeded):
            budgets.stops.reserve("m", "k", "u", 26)
        assert budgets.crossed == {70: 1, 90: 0, 100: 0}
        [event] = [msgspec.json.decode(crossing_of(each)) for each in crossed]
        assert (event["type"], event["timestamp"]) == ("budget.crossed", iso_time(clock.wall() - LOOK_S))
        assert event["data"] == event["data"] | {
            "budget": "b", "percent": 70, "usage": 75 / NANO, "amount": 100 / NANO
        }  # fmt: skip
        assert "budget 'b': 70 % is used" in caplog.text
        await spend(store, clock, 5, 2)
        await clock.advance(LOOK_S)
        await clock.asleep()
        assert budgets.crossed == {70: 1, 90: 0, 100: 0}


async def test_a_store_that_does_not_answer_is_asked_again(store, clock):
    budgets = Budgets(store, clock, UTC)
    await budgets.add(TERMS)
    async with running(budgets, clock):
        await run_sql(store, "ALTER TABLE budgets RENAME TO lost")
        await clock.advance(LOOK_S)
        await clock.asleep()
        assert budgets.stops
        await run_sql(store, "ALTER TABLE lost RENAME TO budgets")
        await run_sql(store, "DELETE FROM budgets")
        await clock.advance(LOOK_S)
        await clock.asleep()
        assert not budgets.stops


def test_how_much_is_used():
    def budget(name: str, used: int, **terms) -> Budget:
        return Budget(1, BudgetTerms(name, Period.DAILY, 200, **terms), used, 0.0, None, 0, 0.0)

    found = used_of(
        [budget("a", 50), budget("a", 150), budget("a", 0), budget("b", 300), budget("c", 1, is_active=False)]
    )
    assert found == {"a": 75.0, "b": 150.0}
