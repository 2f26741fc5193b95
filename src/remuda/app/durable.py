"""Durable tasks, put together: the queue, the worker of this process, and the routes."""

import logging
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from remuda import __version__
from remuda.app.comparing import Comparing
from remuda.app.sealing import Sealer
from remuda.app.settings import Settings, TaskSettings
from remuda.app.task_readings import StandingKept, attach_task_readings, completed_in
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
from remuda.dialects.tasks.webhooks import message_of
from remuda.dialects.tasks.working import WorkRoutes
from remuda.fleet.registry import Fleet, Model
from remuda.gateway.face import LaneRoute
from remuda.gateway.inside import Inside
from remuda.jobs.batch_driver import BatchDriver
from remuda.jobs.batch_turns import BatchRules, BatchTurns
from remuda.jobs.batches import Batches
from remuda.jobs.files import FileBounds, Files
from remuda.jobs.inside import InsideRunner
from remuda.jobs.live import Live
from remuda.jobs.live_together import LiveTogether
from remuda.jobs.pace import Paces
from remuda.jobs.queue import TaskBounds, TaskQueue
from remuda.jobs.webhooks import Webhooks
from remuda.jobs.worker import Worker, WorkerRules
from remuda.outbound.courier import CourierRules
from remuda.outbound.webhooks import Reach, Sender, key_in
from remuda.store.database import Store
from remuda.telemetry.fanout import Fanout
from remuda.telemetry.metrics import Metrics

WEBHOOK_PURPOSE: Final = b"remuda webhooks"

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
        sealer: Sealer,
        metrics: Metrics,
        is_connected: Callable[[], bool],
        fanout: Fanout,
    ) -> None:
        tasks = settings.tasks
        ids = random_ids()
        self._tasks = Tasks("durable")
        self._fleet = fleet
        self._free_slots = tasks.free_slots
        self._is_working = tasks.workers > 0
        self.inside = inside
        live, self.paces = Live(), Paces(clock.monotonic)
        routes = {route.path: route for route in lane_routes}
        runner = InsideRunner(inside, routes)
        name = worker_name()
        reach = Reach(tasks.webhook_allow_private)
        self.webhooks = Webhooks(
            name,
            store,
            Sender(reach, timeout_s=tasks.webhook_timeout_s, agent=f"remuda/{__version__}"),
            message_of,
            lambda: webhook_key(settings, sealer),
            clock,
            system_chance,
            CourierRules(
                max_attempts=tasks.webhook_max_attempts,
                timeout_s=tasks.webhook_timeout_s,
                backoff_s=tasks.webhook_backoff_s,
                retention_s=tasks.retention_s,
            ),
        )
        self.worker = Worker(
            name,
            store,
            runner,
            self._room_now,
            live,
            clock,
            system_chance,
            worker_rules(tasks),
            completed_in(metrics, clock),
            self.paces.began,
        )
        self.queue = TaskQueue(
            store,
            live,
            clock,
            TaskBounds(tasks.max_waiting_per_key, tasks.max_waiting, tasks.retention_s),
            wake=self.worker.wake,
            cancelled=self._cancelled,
        )
        self._together = LiveTogether(live, self.paces, fanout, clock, name, self.worker.cancelled)
        self.routes = TaskRoutes(
            self.queue,
            limit=RateLimit(tasks.requests_per_minute, tasks.burst, clock) if tasks.requests_per_minute else None,
            task_ids=ids,
            defaults=Defaults(tasks.model, tasks.max_tokens, tasks.temperature, tasks.time_limit_s),
            first_model=lambda: model_to_try(fleet.models()),
            is_known=self._is_known,
            eta_s=self.paces.eta_s,
            check_webhook=reach.check,
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
            cancelled=self._cancelled,
            has_room=self._has_room,
        )
        self.batches = BatchDriver(store, self.files, turns, clock, name, keep_s=tasks.file_retention_s)
        self.batch_routes = BatchRoutes(self.files, Batches(store, self.files, clock, ids, wake=self.batches.wake))
        self.comparing = Comparing(
            settings, store, clock, ids, self.queue, self.files, self._is_known, self.worker.wake, self.worker.cancelled
        )

        self._standing = StandingKept(store, clock)
        attach_task_readings(
            metrics, self.queue, self.worker, self.webhooks, turns, self._standing, is_connected, self._is_loaded
        )
        if tasks.make_room:
            fleet.on_waiting(partial(self._make_room, runner))
        self.work_routes = WorkRoutes(
            runner, live=live, began=self.paces.began, room=self.room, takes=routes.__contains__
        )

    def start(self) -> None:
        """Begin to work."""
        if self._is_working:
            self.worker.start()
        self.webhooks.start()
        self._together.start()
        self._tasks.start(self.queue.keep_watch(), "watch")
        self._tasks.start(self._standing.keep(), "standing")
        self.comparing.driver.start()
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
        await self.comparing.driver.close()
        await self.batches.close()
        await self.queue.close()
        await self._together.close()
        await self.worker.close()
        await self.webhooks.close()

    def room(self, name: str) -> int:
        """How many tasks of a model may begin now: its free slots, but for those that are left to others; none while
        somebody waits for one."""
        model = self._fleet.look_up(name)
        if model is None:
            return 1  # to be told that there is none
        meant = self._fleet.meant(name) or model
        if model.waiting or meant.waiting:
            return 0
        slots = {replica.slots for replica in meant.replicas if replica.is_routable}
        if not slots:
            return 1 if self.worker.running.get(name, 0) == 0 else 0  # it is loaded, or waited for, by being asked for
        total, used = sum(each.total for each in slots), sum(each.in_use for each in slots)
        return max(0, total - used - min(self._free_slots, total - 1))

    def _cancelled(self, id_: str) -> None:
        self.worker.cancelled(id_)
        self._together.cancel(id_)

    def _make_room(self, runner: InsideRunner, model: Model) -> None:
        runner.make_room(lambda name: self._is_served_by(name, model))

    def _is_served_by(self, name: str, model: Model) -> bool:
        """Whether a task for `name` takes the slots of `model`."""
        found = self._fleet.meant(name)
        return found is not None and found is self._fleet.meant(model.name)

    def _is_known(self, name: str) -> bool:
        """Whether there is a model of that name, as far as the sources have said by now."""
        return self._fleet.is_expecting or self._fleet.look_up(name) is not None

    async def _room_now(self, name: str) -> int:
        return self.room(name)

    def _is_loaded(self) -> bool:
        return any(replica.is_routable for replica in self._fleet.replicas())

    async def _has_room(self, key_id: str) -> bool:
        """Whether more lines of the key's batches may wait: what it submits singly finds room beside them."""
        try:
            waiting = await self.queue.waiting()
        except Unavailable:
            return False
        return waiting.total < self._max_waiting and waiting.by_key.get(key_id, 0) <= self._max_waiting_per_key // 2


def worker_name() -> str:
    """A name that no worker has had before."""
    return f"{socket.gethostname()[:64]} {os.getpid()} {random_ids()()}"


def worker_rules(tasks: TaskSettings) -> WorkerRules:
    """How workers go about it."""
    return WorkerRules(
        concurrency=tasks.workers,
        max_attempts=tasks.max_attempts,
        lease_s=tasks.lease_s,
        retention_s=tasks.retention_s,
    )


def webhook_key(settings: Settings, sealer: Sealer) -> bytes:
    """What webhooks are signed with; raises CredentialError."""
    secret = settings.tasks.webhook_secret
    return sealer.derived(WEBHOOK_PURPOSE) if secret is None else key_in(secret.get_secret_value())
