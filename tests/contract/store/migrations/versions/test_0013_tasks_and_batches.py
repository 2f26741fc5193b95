"""A store of an older version finds tasks by their model, and batches by their key, when it has been opened."""

from sqlalchemy import insert, inspect
from tests.contract.store.samples import NOON
from tests.contract.store.test_store_batches import a_file, new_batch
from tests.contract.store.test_store_tasks import new

from remuda.store import open_store
from remuda.store.batches import add_batch, batch_of_key
from remuda.store.database import store_at
from remuda.store.files import add_file
from remuda.store.schema import tasks
from remuda.store.tasks import TaskFilter, row_of, task_page
from remuda.store.versions import HEAD, migrate, version_of


async def test_a_store_of_an_older_version(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0011"))
    row = row_of(new("a"), 0.0, NOON)
    await old.write(lambda connection: connection.execute(insert(tasks).values(row)))
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    names = await store.read(lambda connection: {each["name"] for each in inspect(connection).get_indexes("tasks")})
    assert {"tasks_model_seq", "tasks_finished_at"} <= names
    assert [task.id for task in await task_page(store, TaskFilter(model="m"), 9)] == ["a"]
    await add_file(store, a_file("file-1"))
    assert await add_batch(store, new_batch("batch_1", "file-1")._replace(idempotency_key="once"), NOON) is not None
    assert await batch_of_key(store, "k", "once") is not None
    await store.close()
