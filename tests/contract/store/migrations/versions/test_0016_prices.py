"""A store of an older version takes prices when it has been opened."""

from tests.contract.store.samples import NOON

from remuda.core.money import Price
from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.prices import list_prices, set_price
from remuda.store.versions import migrate


async def test_a_store_of_an_older_version_takes_prices(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0011"))
    await old.close()
    store = await open_store(empty_url)
    assert (await list_prices(store))[1] == []
    made = await set_price(store, "llama2", Price(1, 2), NOON)
    assert (await list_prices(store))[1] == [made]
    await store.close()
