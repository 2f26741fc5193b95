"""A store of an older version takes deliveries when it has been opened."""

from tests.contract.store.samples import NOON
from tests.contract.store.test_store_tasks import new

from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.deliveries import deliveries_of
from remuda.store.tasks import cancel_task, submit_tasks
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_an_older_version_takes_deliveries(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0009"))
    await old.close()
    store = await open_store(empty_url)
    await submit_tasks(store, [new("a", webhook="http://h/")], NOON)
    assert await store.read(version_of) == HEAD
    await cancel_task(store, "a", NOON, 60.0)
    assert [entry.event for entry in await deliveries_of(store, "a")] == ["task.cancelled"]
    await store.close()
