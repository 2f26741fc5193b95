"""Uses of keys reach the store in their own time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.app.key_use import EVERY_S, KeyUse
from remuda.core.keys import Key
from remuda.core.tasks import Tasks
from remuda.store import Store, open_store, store_url_in
from remuda.store.keys import create_key, list_keys
from remuda.testing.clock import FakeClock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    for number in range(2):
        await create_key(opened, Key(f"key_{number}", "", bytes([number]) * 32, "rmd_", frozenset(), float(number)))
    yield opened
    await opened.close()


async def used(store: Store) -> list[float | None]:
    return [key.last_used_at for key in await list_keys(store)]


async def test_the_last_use_of_each_key_is_written(store: Store):
    clock = FakeClock()
    use = KeyUse(store, clock)
    use.note("key_0")
    await clock.advance(5)
    use.note("key_0")
    use.note("nobody's")
    await use.write()
    assert await used(store) == [clock.wall(), None]


async def test_uses_are_gathered_before_they_are_written(store: Store):
    clock, tasks = FakeClock(), Tasks("test")
    use = KeyUse(store, clock)
    tasks.start(use.keep(), "keep")
    use.note("key_0")
    await clock.asleep()
    await clock.advance(EVERY_S - 0.1)
    use.note("key_0")
    assert await used(store) == [None, None]
    noted = clock.wall()
    await clock.advance(0.2)
    await use.write()  # waits its turn behind what has been begun
    assert await used(store) == [noted, None]
    await tasks.close()


async def test_what_could_not_be_written_is_written_with_the_next_use(store: Store, caplog: pytest.LogCaptureFixture):
    clock = FakeClock()
    use = KeyUse(store, clock)
    use.note("key_0")
    await store.write(lambda connection: connection.exec_driver_sql("ALTER TABLE keys RENAME TO elsewhere"))
    await use.write()
    assert "could not be noted" in caplog.text
    await store.write(lambda connection: connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO keys"))
    await clock.advance(1)
    use.note("key_1")
    await use.write()
    assert await used(store) == [clock.wall() - 1, clock.wall()]
