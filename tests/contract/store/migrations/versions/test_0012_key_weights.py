"""A store of an older version has its keys as before when it has been opened: alike."""

from tests.contract.store.samples import a_key, keep_older_key

from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.keys import list_keys
from remuda.store.versions import HEAD, migrate, version_of


async def test_keys_of_a_store_of_an_older_version_have_one_turn_each(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0011"))
    await keep_older_key(old, a_key())
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    assert await list_keys(store) == [a_key(weight=1)]
    await store.close()
