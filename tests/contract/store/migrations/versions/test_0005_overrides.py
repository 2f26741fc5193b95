"""A store of the fourth version is brought to the fifth when it is opened."""

from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.overrides import read_overrides, set_override
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_the_fourth_version_takes_overrides(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0004"))
    assert await old.read(version_of) == "0004"
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    await set_override(store, "a", "1", 1.0)
    assert (await read_overrides(store))[1]["a"].value == "1"
    await store.close()
