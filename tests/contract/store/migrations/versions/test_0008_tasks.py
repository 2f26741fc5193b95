"""A store of the seventh version is brought to the eighth when it is opened."""

from tests.contract.store.samples import NOON, a_key, keep_older_key
from tests.contract.store.test_store_tasks import new

from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.keys import list_keys
from remuda.store.tasks import find_task, submit_tasks
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_the_seventh_version_takes_tasks(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0007"))
    assert await old.read(version_of) == "0007"
    await keep_older_key(old, a_key())
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    assert len(await list_keys(store)) == 1
    await submit_tasks(store, [new("a")], NOON)
    assert await find_task(store, "a") is not None
    await store.close()
