"""All of the journal comes out, in pieces that do not grow with it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.insight.export import Export
from remuda.store.database import Store, open_store
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.journal_reading import JournalFilter
from tests.contract.store.samples import NOON, a_record


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    records = [
        a_record(number, prompt_text="p" * 100 if number % 3 else None, answer_text=f"answer {number}", parameters="{}")
        if number % 2
        else a_record(number)
        for number in range(25)
    ]
    await write_batches(opened, [Batch("w", 1, records)], NOON, is_durable=False)
    yield opened
    await opened.close()


async def test_everything_comes_once_newest_first(store: Store) -> None:
    parts = [part async for part in Export(store, page=4).entries(JournalFilter())]
    assert all(len(part) <= 4 for part in parts)
    entries = [entry for part in parts for entry in part]
    assert [entry.id for entry in entries] == list(range(25, 0, -1))
    for number, entry in enumerate(reversed(entries)):
        assert entry.record.answer_text == (f"answer {number}" if number % 2 else None)
        assert entry.record.prompt_text == ("p" * 100 if number % 2 and number % 3 else None)
        assert entry.record.parameters == ("{}" if number % 2 else None)


async def test_text_is_read_little_by_little(store: Store) -> None:
    parts = [part async for part in Export(store, text_bytes=250).entries(JournalFilter())]
    assert [entry.id for part in parts for entry in part] == list(range(25, 0, -1))
    for part in parts:
        texts = [len(entry.record.prompt_text or "") for entry in part]
        assert sum(texts) <= 200


async def test_beginnings_only(store: Store) -> None:
    [part] = [part async for part in Export(store).entries(JournalFilter(since=NOON + 23), chars=3)]
    assert [(entry.record.prompt_text, entry.record.answer_text) for entry in part] == [(None, None), ("ppp", "ans")]


async def test_nothing(store: Store) -> None:
    assert [part async for part in Export(store).entries(JournalFilter(model="none"))] == []
