"""Comparisons as the settings have them."""

from pathlib import Path

import pytest

from remuda.app.comparing import Comparing
from remuda.app.settings import InsightSettings, JournalSettings, Settings
from remuda.core.clock import SystemClock
from remuda.core.faults import Forbidden, InvalidRequest
from remuda.core.ids import random_ids
from remuda.jobs.comparisons import Replay, Wanted
from remuda.jobs.files import FileBounds, Files
from remuda.jobs.live import Live
from remuda.jobs.queue import TaskBounds, TaskQueue
from remuda.store import open_store, store_url_in


@pytest.mark.parametrize(("replay", "fault"), [(False, Forbidden), (True, InvalidRequest)])
async def test_traffic_is_replayed_where_that_is_set(tmp_path: Path, replay: bool, fault: type[Exception]) -> None:
    store = await open_store(store_url_in(tmp_path))
    clock, ids = SystemClock(), random_ids()
    comparing = Comparing(
        Settings(insight=InsightSettings(replay=replay), journal=JournalSettings(content="full")),
        store,
        clock,
        ids,
        TaskQueue(store, Live(), clock, TaskBounds()),
        Files(store, tmp_path, clock, ids, FileBounds()),
        lambda name: True,
        lambda: None,
        lambda id_: None,
    )
    wanted = Wanted("n", "a", "b", replay=Replay("a", 1))
    with pytest.raises(fault):
        await comparing.comparisons.create(wanted, "", sees_all=True)
    made = await comparing.comparisons.create(Wanted("n", "a", "b", test_prompt="Hi"), "", sees_all=True)
    assert made.parameters == {"max_tokens": 512}
    await store.close()
