"""Budgets are kept and changed, and say how they stand."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from tests.contract.store.samples import a_record

from remuda.core.budget import BudgetTerms, Period, Scope, start_of
from remuda.core.clock import SystemClock
from remuda.store import Store
from remuda.store.budget_usage import Accrual
from remuda.store.budgets import (
    TooManyBudgets,
    add_budget,
    as_of,
    budget_events_of,
    budgets_now,
    change_budget,
    remove_budget,
    take_events,
)
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.ledger import Ledger

NOW = SystemClock.wall()
MONTHLY = BudgetTerms("Monthly AI Budget", Period.MONTHLY, 1000)
YEAR_S = 366 * 86_400.0
"""Of a Postgres server the clock is its own: what shall be over began long ago."""


async def spend(store: Store, *costs: int, writer: str = "w", number: int = 1, **fields) -> None:
    store.ledger = Ledger(hooks=(Accrual(UTC, SystemClock.wall),))
    records = [a_record(each, **{"started_at": NOW, "cost_nano": cost, **fields}) for each, cost in enumerate(costs)]
    await write_batches(store, [Batch(writer, number, records)], NOW, is_durable=True)


async def test_a_budget_is_kept_as_it_was_made(store: Store):
    before = (await budgets_now(store, NOW, UTC)).revision
    made = await add_budget(store, MONTHLY, NOW, UTC)
    assert (made.terms, made.usage_nano, made.reset_at, made.created_at) == (MONTHLY, 0, None, NOW)
    assert made.period_start == start_of(Period.MONTHLY, NOW, UTC)
    standing = await budgets_now(store, NOW, UTC)
    assert (standing.budgets, standing.last_batch, standing.has_news) == ([made], -1, False)
    assert standing.revision > before


async def test_what_was_used_before_it_was_made_counts(store: Store):
    await spend(store, 300, 5)
    await spend(store, 999, number=2, started_at=NOW - YEAR_S)
    assert (await add_budget(store, MONTHLY, NOW, UTC)).usage_nano == 305
    for scope, subject, usage in (
        (Scope.MODEL, "remuda-tiny", 305),
        (Scope.MODEL, "other", 0),
        (Scope.KEY, "key_1", 0),
        (Scope.USER, "mia", 0),
    ):
        terms = BudgetTerms("b", Period.MONTHLY, 1000, scope, subject)
        assert (await add_budget(store, terms, NOW, UTC)).usage_nano == usage


async def test_a_budget_can_count_something_else(store: Store):
    await spend(store, 100, key_id="one")
    await spend(store, 20, key_id="two", number=2)
    made = await add_budget(store, MONTHLY, NOW, UTC)
    ofone = BudgetTerms("one's", Period.DAILY, 50, Scope.KEY, "one", is_hard=True)
    changed = await change_budget(store, made.id, ofone, NOW, UTC)
    assert changed is not None
    assert (changed.terms, changed.usage_nano, changed.told) == (ofone, 100, 100)
    assert changed.period_start == start_of(Period.DAILY, NOW, UTC)
    assert await change_budget(store, made.id + 1, ofone, NOW, UTC) is None


async def test_a_raised_amount_tells_nothing_twice(store: Store):
    made = await add_budget(store, BudgetTerms("b", Period.MONTHLY, 100), NOW, UTC)
    await spend(store, 95)
    assert [event.percent for event in await take_events(store, NOW)] == [70, 90]
    raised = await change_budget(store, made.id, BudgetTerms("b", Period.MONTHLY, 1000), NOW, UTC)
    assert raised is not None
    assert (raised.usage_nano, raised.told) == (95, 0)
    await spend(store, 905, number=2)
    assert [(event.percent, event.usage_nano) for event in await take_events(store, NOW)] == [(100, 1000)]


async def test_an_event_is_taken_once(store: Store):
    made = await add_budget(store, BudgetTerms("b", Period.MONTHLY, 100), NOW, UTC)
    await spend(store, 200)
    assert (await budgets_now(store, NOW, UTC)).has_news
    [first, *others] = await take_events(store, NOW)
    assert (first.budget_id, first.budget_name, first.percent, first.usage_nano) == (made.id, "b", 70, 200)
    assert [event.percent for event in others] == [90, 100]
    assert await take_events(store, NOW) == []
    assert not (await budgets_now(store, NOW, UTC)).has_news
    assert await budget_events_of(store, made.id) == [*others[::-1], first]


async def test_what_is_inactive_counts_and_tells_nothing(store: Store):
    await add_budget(store, BudgetTerms("b", Period.MONTHLY, 100, is_active=False), NOW, UTC)
    await spend(store, 200)
    standing = await budgets_now(store, NOW, UTC)
    assert (standing.budgets[0].usage_nano, standing.has_news) == (200, False)


async def test_a_removed_one_is_gone_with_its_events(store: Store):
    made = await add_budget(store, BudgetTerms("b", Period.MONTHLY, 100), NOW, UTC)
    await spend(store, 100)
    assert await remove_budget(store, made.id)
    assert not await remove_budget(store, made.id)
    assert await take_events(store, NOW) == []
    assert (await add_budget(store, MONTHLY, NOW, UTC)).id > made.id


async def test_a_period_that_is_over_counts_no_more(store: Store):
    made = await add_budget(store, MONTHLY, NOW, UTC)
    await spend(store, 300)
    berlin = ZoneInfo("Europe/Berlin")
    later = NOW + 40 * 86_400.0
    [budget] = (await budgets_now(store, later, berlin)).budgets
    start = start_of(Period.MONTHLY, later, berlin)
    assert (budget.usage_nano, budget.period_start, budget.reset_at, budget.told) == (0, start, start, 0)
    assert as_of(made, NOW, UTC) == made


async def test_a_journals_own_mark_is_told(store: Store):
    await spend(store, 1, writer="mine", number=7)
    await spend(store, 1, writer="others", number=9)
    assert (await budgets_now(store, NOW, UTC, "mine")).last_batch == 7


async def test_there_is_a_bound(store: Store):
    await add_budget(store, MONTHLY, NOW, UTC, most=1)
    with pytest.raises(TooManyBudgets):
        await add_budget(store, MONTHLY, NOW, UTC, most=1)
