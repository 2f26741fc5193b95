"""What is kept together with the journal's records: in the same transaction, once."""

import pytest
from tests.contract.store.samples import NOON, a_record, run_sql

from remuda.store import Store, StoreError
from remuda.store.journal_batch import Batch, add_records, write_batches
from remuda.store.journal_reading import JournalFilter, journal_page
from remuda.store.ledger import PLAIN, Ledger


async def test_scores_are_kept_and_hooks_told(store: Store):
    told = []
    store.ledger = Ledger(
        score=lambda record: record.duration_s / 10,
        hooks=(lambda connection, records, scores, first_id: told.append((list(records), list(scores), first_id)),),
    )
    first, second = a_record(1, duration_s=1.0), a_record(2, duration_s=2.0, user_id="u", cost_nano=7)
    await write_batches(store, [Batch("w", 1, [first]), Batch("w", 2, [second])], NOON, is_durable=True)
    assert told == [([first, second], [0.1, 0.2], 1)]
    await write_batches(store, [Batch("w", 2, [second])], NOON, is_durable=True)
    assert len(told) == 1
    await store.write(lambda connection: add_records(connection, [first], store.ledger))
    assert told[1] == ([first], [0.1], 3)
    page = await journal_page(store, JournalFilter())
    assert [(entry.id, entry.score, entry.record) for entry in page.entries] == [
        (3, 0.1, first),
        (2, 0.2, second),
        (1, 0.1, first),
    ]


async def test_where_a_hook_fails_nothing_is_kept(store: Store):
    def fail(connection, records, scores, first_id):
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

    store.ledger = Ledger(hooks=(fail,))
    with pytest.raises(StoreError):
        await write_batches(store, [Batch("w", 1, [a_record()])], NOON, is_durable=True)
    assert not (await journal_page(store, JournalFilter())).entries
    store.ledger = PLAIN
    assert await write_batches(store, [Batch("w", 1, [a_record()])], NOON, is_durable=True) == 1


async def test_whom_it_was_for_and_how_it_was_asked_comes_back(store: Store):
    record = a_record(
        user_id="mia", temperature=0.5, max_tokens=9, is_truncated=True, cost_nano=12, energy_j=1.5, prompt_text="hi",
        answer_text="ho", parameters='{"top_p":1}',
    )  # fmt: skip
    await write_batches(store, [Batch("w", 1, [record])], NOON, is_durable=True)
    plain = record._replace(prompt_text=None, answer_text=None, parameters=None)
    assert (await journal_page(store, JournalFilter())).entries[0].record == plain
    await run_sql(store, "UPDATE journal SET user_id = ''")
