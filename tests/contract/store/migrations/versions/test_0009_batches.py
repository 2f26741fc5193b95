"""A store of the eighth version is brought to the ninth when it is opened, with the tasks in it."""

from sqlalchemy import insert, text
from tests.contract.store.samples import NOON
from tests.contract.store.test_store_batches import a_file, new_batch
from tests.contract.store.test_store_tasks import new

from remuda.store import open_store
from remuda.store.batches import add_batch
from remuda.store.database import store_at
from remuda.store.files import add_file
from remuda.store.schema import tasks
from remuda.store.tasks import find_task, row_of
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_the_eighth_version_takes_batches_and_keeps_its_tasks(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0008"))
    assert await old.read(version_of) == "0008"
    row = row_of(new("a"), 0.0, NOON)
    await old.write(lambda connection: connection.execute(insert(tasks).values(row)))
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    assert await find_task(store, "a") is not None
    await add_file(store, a_file("file-1"))
    assert await add_batch(store, new_batch("batch_1", "file-1"), NOON) is not None
    work = text("SELECT count(*) FROM tasks WHERE batch_id IS NULL")
    assert await store.read(lambda connection: connection.execute(work).scalar_one()) == 1
    await store.close()
