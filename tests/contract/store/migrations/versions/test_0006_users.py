"""A store of the fifth version is brought to the sixth when it is opened."""

from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.users import add_user, list_users
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_the_fifth_version_takes_users(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0005"))
    assert await old.read(version_of) == "0005"
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    assert await list_users(store) == (0, [], False)
    assert (await add_user(store, "root", "a hash", None, 100.0, frozenset())).epoch == 1
    await store.close()
