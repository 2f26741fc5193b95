"""The log: whose entries are shown to whom."""

from remuda.insight.log import Log
from remuda.store import open_store
from remuda.store.journal_batch import Batch, write_batches
from tests.contract.store.samples import NOON, a_record


async def test_an_entry_is_shown_to_its_key_and_to_who_may_see_all(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    await write_batches(store, [Batch("w", 1, [a_record(key_id="mine")])], NOON, is_durable=True)
    log = Log(store)
    assert (await log.entry(1, None)).record.key_id == "mine"
    assert await log.entry(1, "mine") is not None
    assert await log.entry(1, "others") is None
    assert await log.entry(2, None) is None
    await store.close()
