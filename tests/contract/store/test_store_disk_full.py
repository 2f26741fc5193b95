"""An SQLite file that may not grow any further."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contract.store.test_store_tasks import new

from remuda.store import Store, StoreUnavailable, open_store, store_url_in
from remuda.store.tasks import TaskFilter, submit_tasks, task_page

LARGE = bytes(20_000)
NOON = 1_700_000_000.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


async def bound(store: Store, pages: int) -> None:
    """Let the file have at most so many pages more. The one connection that is used one by one remembers it."""

    def work(connection: object) -> None:
        count = connection.exec_driver_sql("PRAGMA page_count").scalar_one()  # type: ignore[attr-defined]
        connection.exec_driver_sql(f"PRAGMA max_page_count={count + pages}")  # type: ignore[attr-defined]

    await store.read(work)


async def test_of_what_does_not_fit_nothing_is_kept_and_later_all_of_it_is(store: Store):
    await submit_tasks(store, [new("a")], NOON)
    await bound(store, 10)
    many = [new(f"b{number}", body=LARGE) for number in range(8)]
    with pytest.raises(StoreUnavailable, match="full"):
        await submit_tasks(store, many, NOON)
    assert [task.id for task in await task_page(store, TaskFilter(), 100)] == ["a"]
    await submit_tasks(store, [new("c")], NOON)  # there is room for a small one
    await bound(store, 1000)
    await submit_tasks(store, many, NOON)
    assert len(await task_page(store, TaskFilter(), 100)) == 10
