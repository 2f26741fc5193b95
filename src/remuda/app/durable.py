"""Durable tasks, put together: the queue, the worker of this process, and the routes."""

import logging
import os
import socket
from collections.abc import Sequence

from remuda.app.settings import Settings
from remuda.core.chance import system_chance
from remuda.core.clock import Clock
from remuda.core.faults import Unavailable
from remuda.core.ids import random_ids
from remuda.core.tasks import Tasks
from remuda.dialects.console.first_model import model_to_try
from remuda.dialects.openai.batches import BatchRoutes
from remuda.dialects.tasks.asks import Defaults
from remuda.dialects.tasks.rate import RateLimit
from remuda.dialects.tasks.routes import TaskRoutes
from remuda.fleet.registry import Fleet, Model
from remuda.gateway.face import LaneRoute
from remuda.gateway.inside import Inside
from remuda.jobs.batch_driver import BatchDriver
from remuda.jobs.batch_turns import BatchRules, BatchTurns
from remuda.jobs.batches import Batches
from remuda.jobs.files import FileBounds, Files
from remuda.jobs.inside import InsideRunner
from remuda.jobs.live import Live
from remuda.jobs.queue import TaskBounds, TaskQueue
from remuda.jobs.worker import Worker, WorkerRules
from remuda.store.database import Store

log = logging.getLogger(__name__)


class Durable:
    """What does the work that is accepted now and done later."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        inside: Inside,
        lane_routes: Sequence[LaneRoute],
        fleet: Fleet,
    ) -> None:
        tasks = settings.tasks
        ids = random_ids()
        self._tasks = Tasks("durable")
        self._fleet = fleet
        self._free_slots = tasks.free_slots
        self._is_working = tasks.workers > 0
        self.inside = inside
        live = Live()
        name = f"{socket.gethostname()[:64]} {os.getpid()} {ids()}"
        self.worker = Worker(
            name,
            store,
            InsideRunner(inside, {route.path: route for route in lane_routes}),
            self.room,
            live,
            clock,
            system_chance,
            WorkerRules(concurrency=tasks.workers, max_attempts=tasks.max_attempts, retention_s=tasks.retention_s),
        )
        self.queue = TaskQueue(
            store,
            live,
            clock,
            TaskBounds(tasks.max_waiting_per_key, tasks.max_waiting, tasks.retention_s),
            wake=self.worker.wake,
            cancelled=self.worker.cancelled,
        )
        self.routes = TaskRoutes(
            self.queue,
            limit=RateLimit(tasks.requests_per_minute, tasks.burst, clock) if tasks.requests_per_minute else None,
            task_ids=ids,
            defaults=Defaults(tasks.model, tasks.max_tokens, tasks.temperature, tasks.time_limit_s),
            first_model=lambda: model_to_try(fleet.models()),
            is_known=lambda name: fleet.is_asking or fleet.look_up(name) is not None,
            eta_s=self.eta_s,
        )
        self.files = Files(
            store,
            settings.data_dir / "files",
            clock,
            ids,
            FileBounds(tasks.max_file_bytes, tasks.max_files_bytes, tasks.file_retention_s),
        )
        self._max_waiting, self._max_waiting_per_key = tasks.max_waiting, tasks.max_waiting_per_key
        turns = BatchTurns(
            store,
            self.files,
            clock,
            ids,
            BatchRules(min(BatchRules().window, 1 + tasks.max_waiting_per_key // 4), time_limit_s=tasks.time_limit_s),
            fed=self.worker.wake,
            cancelled=self.worker.cancelled,
            has_room=self._has_room,
        )
        self.batches = BatchDriver(store, self.files, turns, clock, name, keep_s=tasks.file_retention_s)
        self.batch_routes = BatchRoutes(self.files, Batches(store, self.files, clock, ids, wake=self.batches.wake))

    def start(self) -> None:
        """Begin to work."""
        if self._is_working:
            self.worker.start()
        self._tasks.start(self.queue.keep_watch(), "watch")
        try:
            self.files.open()
        except OSError as error:
            log.warning("no files are taken in, and no batches driven: %s", error)
            return
        self._tasks.start(self.files.keep_tidy(), "files")
        self.batches.start()

    async def close(self) -> None:
        """Give back what is under way: another worker, or this one when it is started again, goes on with it."""
        await self._tasks.close()
        await self.batches.close()
        await self.queue.close()
        await self.worker.close()

    def room(self, name: str) -> int:
        """How many tasks of a model may begin now: its free slots, but for those that are left to others; none while
        somebody waits for one."""
        model = self._fleet.look_up(name)
        if model is None:
            return 1  # to be told that there is none
        meant = _meant(model)
        if model.waiting or meant.waiting:
            return 0
        slots = {replica.slots for replica in meant.replicas if replica.is_routable}
        if not slots:
            return 1 if self.worker.running.get(name, 0) == 0 else 0  # it is loaded, or waited for, by being asked for
        total, used = sum(each.total for each in slots), sum(each.in_use for each in slots)
        return max(0, total - used - min(self._free_slots, total - 1))

    async def _has_room(self, key_id: str) -> bool:
        """Whether more lines of the key's batches may wait: what it submits singly finds room beside them."""
        try:
            waiting = await self.queue.waiting()
        except Unavailable:
            return False
        return waiting.total < self._max_waiting and waiting.by_key.get(key_id, 0) <= self._max_waiting_per_key // 2

    def eta_s(self, model: str, position: int) -> float | None:
        """About how long until the task at this place of the model's queue begins, as it went lately."""
        return self.worker.eta_s(model, position)


def _meant(model: Model) -> Model:
    if not model.chain:
        return model
    return next((each for each in model.chain if any(replica.is_routable for replica in each.replicas)), model.chain[0])
