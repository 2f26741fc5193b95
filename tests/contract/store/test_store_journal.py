"""The journal's way from the buffer into the store, on each kind of database."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, select
from tests.contract.store.samples import NOON, a_key, a_record
from tests.contract.store.turns import TurnClock

from remuda.core.keys import Scope
from remuda.store import Store, keys
from remuda.store.database import ROWS_PER_INSERT
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.journal_reading import journal_entry
from remuda.store.ledger import Ledger
from remuda.store.schema import journal as journal_table
from remuda.store.schema import journal_writers


async def test_what_was_appended_is_in_the_store_after_a_flush(store: Store, new_journal):
    journal = new_journal(store)
    for number in range(300):
        journal.append(a_record(number))
    assert (journal.buffered, journal.committed) == (300, 0)
    await journal.flush()
    assert (journal.buffered, journal.committed, journal.dropped) == (0, 300, 0)
    await journal.close()


async def test_batches_are_told_by_the_number_that_the_store_counts_them_by(store: Store, new_journal):
    journal = new_journal(store, batch_records=2)
    told = []
    journal.on_batch = lambda number, records: told.append((number, [record.id for record in records]))
    for number in range(3):
        journal.append(a_record(number))
    await journal.flush()
    assert told == [(1, ["req_000000", "req_000001"]), (2, ["req_000002"])]
    rows = await store.read(lambda connection: connection.execute(select(journal_writers)).all())
    assert [(row.writer, row.last_batch) for row in rows] == [(journal.writer, 2)]
    await journal.close()


async def test_the_writer_notes_when_keys_were_last_used(store: Store, new_journal):
    await keys.create_key(store, a_key(scopes=frozenset({Scope.INFERENCE})))
    journal = new_journal(store)
    journal.append(a_record(7, key_id="key_laptop"))
    journal.append(a_record(5, key_id="key_laptop"))
    await journal.close()
    assert [key.last_used_at for key in await keys.list_keys(store)] == [NOON + 7]


@pytest.mark.parametrize("count", [1, 7, ROWS_PER_INSERT - 1, ROWS_PER_INSERT, 2 * ROWS_PER_INSERT + 3])
async def test_records_come_back_as_they_were_however_many_go_at_once(store: Store, count: int):
    records = [
        a_record(number, is_streamed=number % 2 == 0, tokens_estimated=number % 3 == 0, ttft_s=[None, 0.5][number % 2])
        for number in range(count)
    ]
    halves = [Batch("writer", 1, records[: count // 2]), Batch("writer", 2, records[count // 2 :])]
    assert await write_batches(store, halves, NOON, is_durable=True) == count
    rows = await store.read(
        lambda connection: connection.execute(select(journal_table).order_by(journal_table.c.id)).all()
    )
    assert [tuple(row) for row in rows] == [(id_, *record[:-3], 0.0) for id_, record in enumerate(records, 1)]


class BusyStore:
    """A store during each of whose journal commits something happens."""

    def __init__(self, store: Store, meanwhile: Callable[[], None]) -> None:
        self._store = store
        self.ledger = store.ledger
        self._meanwhile = meanwhile
        self.sizes: list[int] = []
        """How many records each commit added."""

    async def write_journal(self, work: Callable[[Connection], int], *, is_durable: bool) -> int:
        self._meanwhile()
        self.sizes.append(await self._store.write_journal(work, is_durable=is_durable))
        return self.sizes[-1]


async def test_what_comes_during_a_commit_waits_for_the_next_turn(store: Store, new_journal):
    busy = BusyStore(store, lambda: journal.append(a_record()))
    journal = new_journal(busy, batch_records=2)
    sizes = busy.sizes
    for number in range(3):
        journal.append(a_record(number))
    await journal.flush()
    assert (sizes, journal.committed, journal.buffered) == ([2, 1], 3, 2)
    await journal.flush()
    assert (sizes, journal.committed, journal.buffered) == ([2, 1, 2], 5, 1)
    await journal.close()
    assert journal.buffered == 0


async def test_a_batch_offered_twice_is_kept_once(store: Store):
    first = Batch("writer", 1, [a_record(1), a_record(2)])
    second = Batch("writer", 2, [a_record(3)])
    third = Batch("writer", 3, [a_record(4)])
    assert await write_batches(store, [first], NOON, is_durable=True) == 2
    assert await write_batches(store, [first, second], NOON, is_durable=False) == 1
    assert await write_batches(store, [second], NOON, is_durable=False) == 0
    assert await write_batches(store, [third, third, second], NOON, is_durable=True) == 1
    assert await write_batches(store, [Batch("another", 1, [a_record(4)])], NOON, is_durable=False) == 1


async def test_what_no_database_takes_is_replaced_and_keeps_nothing_else_out(store: Store, new_journal):
    journal = new_journal(store)
    journal.append(a_record(1))
    journal.append(a_record(2, model="nul\x00 and half a pair \ud800", prompt_tokens=2**70, ttft_s=float("nan")))
    journal.append(a_record(3, status=2**40, duration_s=float("inf")))
    await journal.flush()
    assert (journal.committed, journal.spilled, journal.buffered) == (3, 0, 0)
    await journal.close()


async def test_beyond_the_buffers_bound_records_are_dropped_and_counted(store: Store, new_journal):
    journal = new_journal(store, buffered_records=3)
    for number in range(5):
        journal.append(a_record(number))
    assert (journal.buffered, journal.dropped) == (3, 2)
    await journal.close()
    assert journal.committed == 3


async def test_content_counts_in_characters_and_makes_room_when_committed(store: Store, new_journal):
    journal = new_journal(store, buffered_content_bytes=10)
    journal.append(a_record(1, prompt_text="12345678"))
    journal.append(a_record(2, answer_text="12345678"))
    journal.append(a_record(3))
    assert (journal.buffered, journal.dropped, journal.texts_dropped) == (3, 0, 1)
    await journal.flush()
    journal.append(a_record(4, answer_text="12345678"))
    assert journal.buffered == 1
    await journal.close()
    assert (journal.committed, journal.texts_dropped) == (4, 1)
    kept = [await journal_entry(store, id_) for id_ in (1, 2, 4)]
    texts = [entry and (entry.record.prompt_text or entry.record.answer_text) for entry in kept]
    assert texts == ["12345678", None, "12345678"]


@pytest.mark.parametrize("is_spooled", [False, True])
async def test_what_must_not_be_kept_is_taken_out_before_it_is(
    store: Store, new_journal, spool_folder: Path, is_spooled: bool
):
    def redact(records):
        return [record._replace(prompt_text="***") for record in records if record.prompt_text is not None]

    store.ledger = Ledger(redact=redact)
    journal = new_journal(store)
    journal.extend([a_record(1, prompt_text="a secret")])
    if is_spooled:
        await journal._spill()
        assert not any(b"secret" in path.read_bytes() for path in spool_folder.rglob("*.jsonl"))
    await journal.flush()
    await journal.close()
    entry = await journal_entry(store, 1)
    assert entry is not None
    assert entry.record.prompt_text == "***"


async def test_of_several_records_the_last_may_carry_text(store: Store, new_journal):
    journal = new_journal(store)
    journal.extend([a_record(1), a_record(2, prompt_text="p", answer_text="a")])
    journal.extend([])
    await journal.close()
    assert journal.committed == 2
    entry = await journal_entry(store, 2)
    assert entry is not None
    assert (entry.record.prompt_text, entry.record.answer_text) == ("p", "a")


async def test_the_started_writer_commits_four_times_a_second(store: Store, new_journal):
    clock = TurnClock()
    journal = new_journal(store, clock)
    await journal.start()
    journal.append(a_record())
    await clock.turn()
    assert journal.committed == 1
    assert set(clock.slept_s) == {0.25}
    await journal.close()


async def test_after_the_close_records_are_dropped_and_counted(store: Store, new_journal):
    journal = new_journal(store)
    await journal.start()
    await journal.close()
    journal.append(a_record())
    assert (journal.buffered, journal.dropped) == (0, 1)
