"""The usage of a budget is what requests cost since its reset: however many write at once, and whoever restarts."""

import asyncio
from datetime import UTC
from itertools import count
from random import Random

import pytest
from tests.contract.store.samples import NOON, a_record

from remuda.core.budget import BudgetTerms, Period, Scope, start_of
from remuda.core.clock import SystemClock
from remuda.core.money import MAX_COST_NANO, MAX_NANO
from remuda.core.record import RequestRecord
from remuda.store import Store, StoreError, open_store
from remuda.store.budget_usage import Accrual, usage_since
from remuda.store.budgets import add_budget, budget_events_of, budgets_now, take_events
from remuda.store.journal_batch import Batch, add_records, write_batches
from remuda.store.ledger import Ledger

TERMS = [
    BudgetTerms("all", Period.MONTHLY, 10_000),
    BudgetTerms("day", Period.DAILY, 10_000),
    BudgetTerms("m", Period.WEEKLY, 10_000, Scope.MODEL, "m"),
    BudgetTerms("k", Period.DAILY, 10_000, Scope.KEY, "k"),
    BudgetTerms("u", Period.DAILY, 10_000, Scope.USER, "u"),
]
DAY_S = 86_400.0


def ledger(now: float | None = None) -> Ledger:
    return Ledger(hooks=(Accrual(UTC, SystemClock.wall if now is None else lambda: now),))


async def assert_usage_is_the_sum(store: Store, now: float) -> None:
    for budget in (await budgets_now(store, now, UTC)).budgets:
        summed = await store.read(
            lambda connection, budget=budget: usage_since(connection, budget.terms, budget.period_start)
        )
        assert budget.usage_nano == summed, budget


def some_records(chance: Random, now: float) -> list[RequestRecord]:
    return [
        a_record(
            started_at=now - chance.choice((0.0, 1.0, DAY_S, 40 * DAY_S)),
            cost_nano=chance.choice((0, 1, 7, 1000)),
            model=chance.choice(("m", "m:latest", "n")),
            key_id=chance.choice(("k", "", "l")),
            user_id=chance.choice(("u", "")),
        )
        for _ in range(chance.randrange(1, 9))
    ]


async def test_usage_is_the_sum_of_costs_whoever_writes_at_once_and_after_a_restart(store_url: str):
    chance = Random(42)
    now = SystemClock.wall()
    for start in range(2):
        stores = [await open_store(store_url, ledger()) for _ in range(3)]
        if not start:
            for terms in TERMS:
                await add_budget(stores[0], terms, now, UTC)

        async def write(store: Store, writer: str) -> None:
            for number in range(1, 6):
                records = some_records(chance, now)
                if chance.random() < 0.3:  # as tasks do
                    await store.write(
                        lambda connection, records=records: add_records(connection, records, store.ledger)
                    )
                else:
                    batch = Batch(writer, number, records)
                    await write_batches(store, [batch], now, is_durable=True)
                    assert await write_batches(store, [batch], now, is_durable=True) == 0

        await asyncio.gather(*(write(store, f"{start} {each}") for each, store in enumerate(stores)))
        await assert_usage_is_the_sum(stores[0], now)
        for store in stores:
            await store.close()
    store = await open_store(store_url, ledger())
    await assert_usage_is_the_sum(store, now)
    assert sum(budget.usage_nano for budget in (await budgets_now(store, now, UTC)).budgets) > 0
    await store.close()


async def test_a_new_period_begins_with_what_was_used_in_it(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db", ledger(NOON))
    chance, batches = Random(7), count(1)
    for terms in TERMS:
        await add_budget(store, terms, NOON, UTC)
    for day in range(12):
        now = NOON + day * DAY_S / 2
        store.ledger = ledger(now)
        await write_batches(store, [Batch("w", next(batches), some_records(chance, now))], now, is_durable=True)
        await assert_usage_is_the_sum(store, now)
    standing = {budget.terms.name: budget for budget in (await budgets_now(store, now, UTC)).budgets}
    assert standing["day"].reset_at == start_of(Period.DAILY, now, UTC)
    assert standing["all"].reset_at is None
    await store.close()


async def test_a_clock_that_was_put_back_opens_no_period_again(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db", ledger(NOON))
    made = await add_budget(store, TERMS[1], NOON, UTC)
    store.ledger = ledger(NOON - 3 * DAY_S)
    record = a_record(started_at=NOON - 3 * DAY_S, cost_nano=5)
    await write_batches(store, [Batch("w", 1, [record])], NOON, is_durable=True)
    [budget] = (await budgets_now(store, NOON, UTC)).budgets
    assert (budget.period_start, budget.usage_nano) == (made.period_start, 0)
    await store.close()


async def test_each_percentage_is_told_once_in_a_period(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    await add_budget(store, BudgetTerms("b", Period.DAILY, 100), NOON, UTC)
    told = []
    for number, (now, cost) in enumerate([(NOON, 69), (NOON, 1), (NOON, 25), (NOON, 50), (NOON + DAY_S, 100)]):
        store.ledger = ledger(now)
        record = a_record(started_at=now, cost_nano=cost)
        await write_batches(store, [Batch("w", number, [record])], now, is_durable=True)
        told.append([event.percent for event in await take_events(store, now)])
    assert told == [[], [70], [90], [100], [70, 90, 100]]
    await store.close()


async def test_the_newest_events_are_kept(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    made = await add_budget(store, BudgetTerms("b", Period.DAILY, 100), NOON, UTC)
    for day in range(4):
        now = NOON + day * DAY_S
        store.ledger = Ledger(hooks=(Accrual(UTC, lambda now=now: now, max_events=4),))
        await write_batches(store, [Batch("w", day, [a_record(started_at=now, cost_nano=100)])], now, is_durable=True)
    assert [event.percent for event in await budget_events_of(store, made.id)] == [100, 90, 70, 100]
    await store.close()


async def test_sums_beyond_64_bits_stop_there(store: Store):
    now = SystemClock.wall()
    store.ledger = ledger()
    await add_budget(store, TERMS[0], now, UTC)
    records = [a_record(started_at=now, cost_nano=MAX_COST_NANO * 1000)] * 20
    await write_batches(store, [Batch("w", 1, records)], now, is_durable=True)
    [budget] = (await budgets_now(store, now, UTC)).budgets
    assert budget.usage_nano == MAX_NANO
    assert (await add_budget(store, TERMS[1], now, UTC)).usage_nano == MAX_NANO


async def test_where_the_batch_is_not_kept_nothing_is_used(store: Store):
    now = SystemClock.wall()

    def fail(connection, records, scores, first_id):
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

    await add_budget(store, TERMS[0], now, UTC)
    store.ledger = Ledger(hooks=(*ledger().hooks, fail))
    with pytest.raises(StoreError):
        await write_batches(store, [Batch("w", 1, [a_record(started_at=now, cost_nano=5)])], now, is_durable=True)
    assert [budget.usage_nano for budget in (await budgets_now(store, now, UTC)).budgets] == [0]
