"""The way in: tasks are submitted, looked up, watched and cancelled here."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from remuda.core.clock import Clock
from remuda.core.delivery import DeliveryEntry
from remuda.core.faults import QueueFull, RateLimited, Taken, Unavailable, UnknownTask
from remuda.core.task import NewTask, Task, TaskResult, TaskState
from remuda.core.tasks import Tasks
from remuda.jobs.live import Live
from remuda.jobs.translated import fault_of, translated
from remuda.store.database import Store
from remuda.store.deliveries import deliveries_of
from remuda.store.errors import StoreError, StoreRefused
from remuda.store.tasks import (
    Backlog,
    Submitted,
    TaskFilter,
    backlog,
    cancel_task,
    find_task,
    position_of,
    retry_task,
    states_of,
    submit_tasks,
    task_page,
    task_result,
)

log = logging.getLogger(__name__)

BACKLOG_S: Final = 1.0
"""How old a count of what waits may be."""
WATCH_S: Final = 0.5
"""How often the store is asked about tasks that are watched here and run elsewhere."""
MAX_BATCH: Final = 256
"""Tasks that are committed together."""
FULL_RETRY_S: Final = 10
"""After which another try is suggested, where too many wait."""


@dataclass(frozen=True, slots=True)
class TaskBounds:
    """How much may wait."""

    per_key: int = 10_000
    total: int = 100_000
    retention_s: float = 3600.0


class TaskQueue:
    """All tasks, as one caller or another may see them."""

    def __init__(
        self,
        store: Store,
        live: Live,
        clock: Clock,
        bounds: TaskBounds,
        wake: Callable[[], None] = lambda: None,
        cancelled: Callable[[str], None] = lambda id_: None,
    ) -> None:
        """`wake` and `cancelled` tell the worker of this process, where there is one."""
        self._store = store
        self._clock = clock
        self._bounds = bounds
        self._wake = wake
        self._cancelled = cancelled
        self._counted = Backlog({}, {})
        self._counted_at = -BACKLOG_S
        self._submits: list[tuple[NewTask, asyncio.Future[Submitted]]] = []
        self._is_committing = False
        self._tasks = Tasks("tasks")
        self.live = live
        self.submitted = 0
        self.cancelled = 0

    async def submit(self, new: NewTask) -> Submitted:
        """Accept a task: it is on disk when this returns. Raises RateLimited where the key has as many waiting as it
        may, QueueFull where all have, StoreRefused, Unavailable."""
        await self._check_bounds(new.key_id)
        done: asyncio.Future[Submitted] = asyncio.get_running_loop().create_future()
        self._submits.append((new, done))
        if not self._is_committing:
            self._is_committing = True
            self._tasks.start(self._commit(), "submit")
        submitted = await done
        if submitted.is_new:
            self._counted.by_key[new.key_id] = self._counted.by_key.get(new.key_id, 0) + 1
            self.submitted += 1
        return submitted

    async def find(self, id_: str, key_id: str | None) -> Task:
        """The task, if it is that key's (None: whoever's); raises UnknownTask, Unavailable."""
        with translated():
            return _seen(await find_task(self._store, id_), key_id)

    async def result(self, id_: str, key_id: str | None) -> TaskResult:
        """The task with what came of it; raises UnknownTask, Unavailable."""
        with translated():
            found = await task_result(self._store, id_)
        _seen(None if found is None else found.task, key_id)
        assert found is not None
        return found

    async def position(self, id_: str) -> int | None:
        """Its place among those that wait for the same model, 1 is next; None where it does not wait."""
        with translated():
            return await position_of(self._store, id_)

    async def page(self, wanted: TaskFilter, limit: int, before: int | None) -> list[Task]:
        """Tasks, newest first; raises Unavailable."""
        with translated():
            return await task_page(self._store, wanted, limit, before)

    async def cancel(self, id_: str, key_id: str | None) -> Task:
        """Cancel it, where it is under way; the task as it stands then. Raises UnknownTask, Unavailable."""
        with translated():
            before = _seen(await find_task(self._store, id_), key_id)
            task = await cancel_task(self._store, id_, self._clock.wall(), self._bounds.retention_s)
        if task is not None and task.state is TaskState.CANCELLED:
            self.cancelled += not before.state.is_over
            self._cancelled(id_)
            self.live.changed(id_)
        return _seen(task, key_id)

    async def retry(self, id_: str, key_id: str | None) -> Task:
        """Let a task that failed, died or was cancelled run again. Raises UnknownTask, Taken, Unavailable."""
        with translated():
            before = _seen(await find_task(self._store, id_), key_id)
            if before.state is TaskState.COMPLETED or not before.state.is_over:
                raise Taken(f"the task is {before.state.value}: only one that failed or was cancelled is retried")
            task = await retry_task(self._store, id_, self._clock.wall())
        self.live.changed(id_)
        self._wake()
        return _seen(task, key_id)

    async def deliveries(self, id_: str, key_id: str | None) -> list[DeliveryEntry]:
        """The log of how its webhook was told; raises UnknownTask, Unavailable."""
        with translated():
            _seen(await find_task(self._store, id_), key_id)
            return await deliveries_of(self._store, id_)

    async def waiting(self) -> Backlog:
        """How many wait, as of a moment ago."""
        now = self._clock.monotonic()
        if now - self._counted_at >= BACKLOG_S:
            self._counted_at = now
            with translated():
                self._counted = await backlog(self._store)
        return self._counted

    async def keep_watch(self) -> None:
        """Tell those who watch tasks that run in other processes what the store says of them; for ever."""
        known: dict[str, tuple[TaskState, int]] = {}
        while True:
            await self._clock.sleep(WATCH_S)
            watched = self.live.watched()
            try:
                found = await states_of(self._store, watched) if watched else {}
            except StoreError as error:
                log.warning("tasks: %s; those who watch tasks wait", error)
                continue
            for id_ in watched:
                if known.get(id_) != found.get(id_):
                    self.live.stored(id_, is_running=id_ in found and found[id_][0] is TaskState.RUNNING)
            known = found

    async def close(self) -> None:
        """Nothing more is submitted."""
        await self._tasks.close()

    async def _check_bounds(self, key_id: str) -> None:
        waiting = await self.waiting()
        bounds = self._bounds
        if waiting.total >= bounds.total:
            raise QueueFull("there are as many tasks waiting as are kept", retry_after_s=FULL_RETRY_S)
        if waiting.by_key.get(key_id, 0) >= bounds.per_key:
            raise RateLimited(
                f"this key has {bounds.per_key} tasks waiting, and may not have more", retry_after_s=FULL_RETRY_S
            )

    async def _commit(self) -> None:
        """Commit what has come, and what comes meanwhile with the next commit: each one for itself would wait for the
        disk each time."""
        try:
            await self._commit_all()
        finally:
            self._is_committing = False  # in the same turn in which nothing was left

    async def _commit_all(self) -> None:
        while self._submits:
            batch, self._submits = self._submits[:MAX_BATCH], self._submits[MAX_BATCH:]
            try:
                await self._commit_batch(batch)
            finally:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(Unavailable("the task was not accepted: the gateway is about to end"))
            self._wake()

    async def _commit_batch(self, batch: list[tuple[NewTask, "asyncio.Future[Submitted]"]]) -> None:
        now = self._clock.wall()
        try:
            results = await submit_tasks(self._store, [new for new, _ in batch], now)
        except StoreError as error:
            if len(batch) > 1 and isinstance(error, StoreRefused):
                middle = len(batch) // 2  # one of them must not keep the others out
                await self._commit_batch(batch[:middle])
                await self._commit_batch(batch[middle:])
                return
            for _, done in batch:
                if not done.done():
                    done.set_exception(fault_of(error))
            return
        for (_, done), submitted in zip(batch, results, strict=True):
            if not done.done():
                done.set_result(submitted)


def _seen(task: Task | None, key_id: str | None) -> Task:
    """The task, if there is one and it is that key's. Whose else it is, nobody is told."""
    if task is None or (key_id is not None and task.key_id != key_id):
        raise UnknownTask
    return task
