"""A store of an older version takes budgets when it has been opened."""

from datetime import UTC

from tests.contract.store.samples import NOON

from remuda.core.budget import BudgetTerms, Period
from remuda.store import open_store
from remuda.store.budgets import add_budget, budgets_now
from remuda.store.database import store_at
from remuda.store.versions import migrate


async def test_a_store_of_an_older_version_takes_budgets(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0016"))
    await old.close()
    store = await open_store(empty_url)
    made = await add_budget(store, BudgetTerms("b", Period.DAILY, 1), NOON, UTC)
    assert [budget.id for budget in (await budgets_now(store, NOON, UTC)).budgets] == [made.id]
    await store.close()
