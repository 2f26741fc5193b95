"""What upstreams offer is noted, and said again at the next start."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.app.known_models import RETRY_S, KnownModels
from remuda.core.tasks import Tasks
from remuda.fleet.registry import WILDCARD, Asked, FleetChange, Remembered, Served
from remuda.store import Store, open_store, store_url_in
from remuda.store.known_models import noted_models
from remuda.testing.clock import FakeClock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    held = Tasks("test")
    yield held
    await held.close()


async def test_what_is_offered_is_known_at_the_next_start(store: Store):
    known = KnownModels(store, FakeClock())
    for change in (
        Served("one", (), ("a", WILDCARD)),
        Served("two", (), (WILDCARD,)),
        Asked("one"),
        Served("one", (), ("b",)),
    ):
        known.note(change)
    assert await known.write()
    said: list[FleetChange] = []
    await KnownModels(store, FakeClock()).recall(said.append)
    assert said == [Remembered("one", ("a", "b"))]


async def test_what_is_no_news_is_not_written_again(store: Store):
    clock = FakeClock()
    known = KnownModels(store, clock)
    known.note(Served("one", (), ("a", "b")))
    await known.write()
    await store.write(lambda connection: connection.exec_driver_sql("DELETE FROM known_models"))
    known.note(Served("one", (), ("a",)))
    await known.write()
    assert await noted_models(store) == {}
    known.note(Served("one", (), ("a", "c")))
    await known.write()
    assert await noted_models(store) == {"one": ["a", "c"]}


async def test_a_store_that_is_away_is_tried_again_and_keeps_nobody_from_starting(
    store: Store, tasks: Tasks, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    clock = FakeClock()
    known = KnownModels(store, clock)
    with sqlite3.connect(tmp_path / "remuda.db", isolation_level=None) as other:
        other.execute("ALTER TABLE known_models RENAME TO elsewhere")
        await known.recall(lambda change: None)
        known.note(Served("one", (), ("a",)))
        tasks.start(known.keep(), "keep")
        await clock.asleep()
        assert "tried again" in caplog.text
        other.execute("ALTER TABLE elsewhere RENAME TO known_models")
        await clock.advance(RETRY_S)
    other.close()
    await tasks.close()  # perhaps in the middle of writing
    assert await known.write()
    assert await noted_models(store) == {"one": ["a"]}
