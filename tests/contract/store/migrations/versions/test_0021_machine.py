"""A store of an older version keeps how busy machines were when it has been opened."""

from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.machine import Busy, busy_minutes, note_minute
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_an_older_version(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0011"))
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    await note_minute(store, "a", 1, Busy(1.0, 2.0))
    assert await busy_minutes(store, 0, 2, 1) == {1: Busy(1.0, 2.0)}
    await store.close()
