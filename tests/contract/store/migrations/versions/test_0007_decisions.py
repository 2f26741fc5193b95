"""A store of the sixth version is brought to the seventh when it is opened."""

from tests.contract.store.samples import NOON, a_record, insert_old

from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.journal_reading import journal_entry
from remuda.store.versions import HEAD, migrate, version_of


async def test_the_journal_of_a_store_of_the_sixth_version_goes_on_with_decisions(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0006"))
    assert await old.read(version_of) == "0006"
    await insert_old(old, 1, a_record(1))
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    decided = a_record(2, decisions="[]")
    await write_batches(store, [Batch("one", 2, [decided])], NOON, is_durable=True)
    assert [(await journal_entry(store, entry_id)).record for entry_id in (1, 2)] == [a_record(1), decided]
    await store.close()
