"""Prices: one at a time for each model, and what there was before."""

import pytest
from tests.contract.store.samples import NOON

from remuda.core.money import Price
from remuda.store import Store
from remuda.store.prices import TooManyPrices, change_price, end_price, list_prices, price_history, set_price

CHEAP, DEAR = Price(1, 2), Price(10, 20, 5, 7)


async def test_a_change_leaves_what_was(store: Store):
    first = await set_price(store, "llama2", CHEAP, NOON)
    before, _ = await list_prices(store)
    second = await set_price(store, "llama2", DEAR, NOON + 60)
    revision, now = await list_prices(store)
    assert revision > before
    assert now == [second]
    assert (second.id, second.created_at, second.valid_from) == (first.id, NOON, NOON + 60)
    assert [(each.price, each.valid_from, each.valid_until) for each in await price_history(store, first.id)] == [
        (DEAR, NOON + 60, None),
        (CHEAP, NOON, NOON + 60),
    ]


async def test_what_stays_the_same_is_no_change(store: Store):
    first = await set_price(store, "llama2", CHEAP, NOON)
    assert await set_price(store, "llama2", CHEAP, NOON + 60) == first
    assert len(await price_history(store, first.id)) == 1


async def test_a_clock_that_was_put_back_makes_no_negative_time(store: Store):
    first = await set_price(store, "llama2", CHEAP, NOON)
    await set_price(store, "llama2", DEAR, NOON - 60)
    assert {(each.valid_from, each.valid_until) for each in await price_history(store, first.id)} == {
        (NOON, None),
        (NOON, NOON),
    }


async def test_with_latest_and_without_it_is_the_same_model(store: Store):
    first = await set_price(store, "llama2", CHEAP, NOON)
    second = await set_price(store, "llama2:latest", CHEAP, NOON + 1)
    assert (second.id, second.model, second.created_at) == (first.id, "llama2:latest", NOON)
    assert (await list_prices(store))[1] == [second]
    assert [each.model for each in await price_history(store, first.id)] == ["llama2:latest", "llama2"]


async def test_by_id(store: Store):
    first = await set_price(store, "llama2", CHEAP, NOON)
    changed = await change_price(store, first.id, DEAR, NOON + 1)
    assert changed is not None
    assert changed.price == DEAR
    assert await change_price(store, first.id + 1, DEAR, NOON) is None


async def test_what_is_deleted_costs_nothing_and_its_id_is_not_used_again(store: Store):
    first = await set_price(store, "llama2", CHEAP, NOON)
    other = await set_price(store, "mistral", CHEAP, NOON)
    assert await end_price(store, first.id, NOON + 1)
    assert not await end_price(store, first.id, NOON + 2)
    assert (await list_prices(store))[1] == [other]
    assert await price_history(store, first.id) == []
    again = await set_price(store, "llama2", DEAR, NOON + 3)
    assert again.id not in (first.id, other.id)
    assert again.created_at == NOON + 3


async def test_there_are_bounds(store: Store):
    first = await set_price(store, "llama2", CHEAP, NOON)
    with pytest.raises(TooManyPrices):
        await set_price(store, "mistral", CHEAP, NOON, max_priced=1)
    for number in range(4):
        await set_price(store, "llama2", Price(number + 100), NOON + number, max_changes=2)
    assert [each.price.input_nano for each in await price_history(store, first.id)] == [103, 102]
