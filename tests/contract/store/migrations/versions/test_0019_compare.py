"""A store of an older version takes comparisons and suggestions when it has been opened."""

from tests.contract.store.test_store_comparisons import made

from remuda.store import open_store
from remuda.store.comparisons import find_comparison
from remuda.store.database import store_at
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_an_older_version(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0017"))
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    assert await find_comparison(store, await made(store)) is not None
    await store.close()
