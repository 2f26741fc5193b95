"""How long the journal is kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.app.retention import DAY_S, EVERY_S, FIRST_S, keep_content_bound, keep_retention
from remuda.app.settings import JournalSettings
from remuda.core.record import RequestRecord
from remuda.store.database import Store, open_store
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.journal_reading import JournalFilter, journal_entry, journal_page
from remuda.testing.clock import FakeClock

NOW = 1_700_000_000.0


def a_record(days_ago: float) -> RequestRecord:
    return RequestRecord(
        f"{days_ago:g} days", NOW - days_ago * DAY_S, "openai", "chat", "m", "r", "", 200, "", False, 1, 0.0, None, 1.0,
        1, 1, 0, False, 1, 1, "stop", prompt_text="asked", answer_text="answered",
    )  # fmt: skip


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    await write_batches(opened, [Batch("writer", 1, [a_record(days) for days in (100, 40, 1)])], NOW, is_durable=True)
    yield opened
    await opened.close()


@contextlib.asynccontextmanager
async def kept(store: Store, clock: FakeClock, **values: int) -> AsyncIterator[None]:
    task = asyncio.create_task(keep_retention(store, JournalSettings(**values), clock))
    await clock.asleep()
    yield
    task.cancel()
    await asyncio.wait([task])


async def found(store: Store) -> dict[str, str | None]:
    """Ids of the records that are kept, and their text."""
    page = await journal_page(store, JournalFilter())
    entries = [await journal_entry(store, entry.id) for entry in page.entries]
    return {entry.record.id: entry.record.prompt_text for entry in entries if entry is not None}


async def test_what_is_too_old_goes_a_minute_after_the_start_and_every_hour(store: Store) -> None:
    clock = FakeClock(wall=NOW)
    async with kept(store, clock, retention_days=90, content_retention_days=30):
        assert len(await found(store)) == 3
        await clock.advance(FIRST_S)
        await clock.asleep()
        assert await found(store) == {"40 days": None, "1 days": "asked"}
        await write_batches(store, [Batch("writer", 2, [a_record(95)])], NOW, is_durable=True)
        await clock.advance(EVERY_S)
        await clock.asleep()
        assert await found(store) == {"40 days": None, "1 days": "asked"}


async def test_nought_keeps_for_ever(store: Store) -> None:
    clock = FakeClock(wall=NOW)
    async with kept(store, clock, retention_days=0, content_retention_days=30):
        await clock.advance(FIRST_S)
        await clock.asleep()
        assert await found(store) == {"100 days": None, "40 days": None, "1 days": "asked"}
    await asyncio.wait_for(
        keep_retention(store, JournalSettings(retention_days=0, content_retention_days=0), clock), 10
    )


async def test_of_what_is_more_than_may_be_the_oldest_goes_each_minute(store: Store) -> None:
    clock = FakeClock(wall=NOW)
    size = len("askedanswered")
    task = asyncio.create_task(keep_content_bound(store, 2 * size, clock))
    await clock.asleep()
    await clock.advance(FIRST_S)
    await clock.asleep()
    assert await found(store) == {"100 days": None, "40 days": "asked", "1 days": "asked"}
    await write_batches(store, [Batch("writer", 2, [a_record(0)])], NOW, is_durable=True)
    await clock.advance(FIRST_S)
    await clock.asleep()
    assert await found(store) == {"100 days": None, "40 days": None, "1 days": "asked", "0 days": "asked"}
    task.cancel()
    await asyncio.wait([task])


async def test_without_a_bound_nothing_is_looked_at(store: Store) -> None:
    await asyncio.wait_for(keep_content_bound(store, 0, FakeClock(wall=NOW)), 10)
