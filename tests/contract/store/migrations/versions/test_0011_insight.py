"""A store of an older version takes records with cost and score when it has been opened, and keeps those it had."""

from tests.contract.store.samples import NOON, a_record, insert_old

from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.journal_reading import JournalFilter, journal_page
from remuda.store.versions import HEAD, migrate, version_of

OLD = a_record(1)


async def test_a_store_of_an_older_version(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0010"))
    await insert_old(old, 1, OLD)
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    new = a_record(2, cost_nano=5, user_id="mia")
    await write_batches(store, [Batch("w", 1, [new])], NOON, is_durable=True)
    page = await journal_page(store, JournalFilter())
    assert [(entry.record, entry.score) for entry in page.entries] == [(new, 0.0), (OLD, 0.0)]
    await store.close()
