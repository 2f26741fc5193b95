"""What `/metrics` says of tasks."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from remuda.core.batch import BatchState
from remuda.core.clock import Clock
from remuda.core.task import Claim, Ending, TaskState
from remuda.jobs.batch_turns import BatchTurns
from remuda.jobs.queue import TaskQueue
from remuda.jobs.webhooks import Webhooks
from remuda.jobs.worker import Worker
from remuda.store.batches import count_batches
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.tasks import Standing, standing
from remuda.telemetry import catalogue_tasks as catalogue
from remuda.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

LOOK_S: Final = 5.0
"""How often the store is asked how many wait."""
WANTED_S: Final = 180.0
"""For how long after somebody scraped."""

Values = Iterable[tuple[tuple[str, ...], float]]


class StandingKept:
    """How far behind the work is, looked up while somebody wants to know: a scrape itself waits for no store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: Standing | None = None
        self.batches: Mapping[BatchState, int] = {}
        """How many batches are in each state; nothing where that is not known."""
        self._wanted_at = clock.monotonic()

    def read(self) -> Standing | None:
        """As of a few seconds ago; None where that is not known."""
        self._wanted_at = self._clock.monotonic()
        return self._known

    async def keep(self) -> None:
        """Look it up again and again; for ever."""
        while True:
            if self._clock.monotonic() - self._wanted_at <= WANTED_S:
                try:
                    self._known = await standing(self._store, self._clock.wall())
                    self.batches = await count_batches(self._store)
                except StoreError as error:
                    log.warning("metrics: %s; how many tasks wait is not known", error)
                    self._known, self.batches = None, {}
            else:
                self._known, self.batches = None, {}
            await self._clock.sleep(LOOK_S)


def attach_task_readings(
    metrics: Metrics,
    queue: TaskQueue,
    worker: Worker,
    webhooks: Webhooks,
    turns: BatchTurns,
    kept: StandingKept,
    is_connected: Callable[[], bool],
    is_loaded: Callable[[], bool],
) -> None:
    """Let `metrics` ask these parts for their present values."""

    def waiting() -> Values:
        known = kept.read()
        return [] if known is None else [((priority.word,), count) for priority, count in known.waiting.items()]

    def lag() -> Values:
        known = kept.read()
        return [] if known is None else [((), known.lag_s)]

    def batches() -> Values:
        kept.read()
        return [((state.value,), count) for state, count in kept.batches.items()]

    metrics.attach(catalogue.SUBMITTED, lambda: [((), queue.submitted)])
    metrics.attach(catalogue.REDIS, lambda: [((), float(is_connected()))])
    metrics.attach(catalogue.LOADED, lambda: [((), float(is_loaded()))])
    metrics.attach(catalogue.WAITING, waiting)
    metrics.attach(catalogue.LAG, lag)
    metrics.attach(catalogue.DELIVERIES, lambda: [((word,), count) for word, count in webhooks.counts.items()])
    metrics.attach(catalogue.BATCHES, batches)
    metrics.attach(catalogue.BATCH_LINES, lambda: [((word,), count) for word, count in turns.lines.items()])
    attach_worker_readings(metrics, worker, lambda: queue.cancelled)


def attach_worker_readings(metrics: Metrics, worker: Worker, cancelled: Callable[[], int] = lambda: 0) -> None:
    """Let `metrics` ask the worker for its present values; `cancelled`: tasks that were cancelled by way of this
    process."""

    def ended() -> dict[TaskState, int]:
        return worker.ended | {TaskState.CANCELLED: cancelled()}

    def completed() -> Values:
        counts = ended()
        well = counts[TaskState.COMPLETED]
        return [(("completed",), well), (("failed",), sum(counts.values()) - well)]

    metrics.attach(catalogue.COMPLETED, completed)
    metrics.attach(catalogue.ACTIVE, lambda: [((), sum(worker.running.values()))])
    metrics.attach(catalogue.RUNNING, lambda: [((model,), count) for model, count in worker.running.items()])
    metrics.attach(catalogue.CLAIMS, lambda: [((), worker.claimed)])
    metrics.attach(catalogue.RETRIES, lambda: [((), worker.retried)])
    metrics.attach(catalogue.ENDED, lambda: [((state.value,), count) for state, count in ended().items()])


def completed_in(metrics: Metrics, clock: Clock) -> Callable[[Claim, Ending], None]:
    """What measures each task that completed. Clocks may have been put back meanwhile: no time is negative."""

    def completed(claim: Claim, ending: Ending) -> None:
        now = clock.wall()
        processing_s = max(0.0, now - claim.started_at)
        metrics.measure(catalogue.TASK_WAIT, max(0.0, claim.started_at - claim.created_at))
        metrics.measure(catalogue.TASK_TOTAL, max(0.0, now - claim.created_at))
        if ending.record is None:
            return
        model, tokens = ending.record.model, ending.record.completion_tokens
        metrics.measure(catalogue.TASK_PROCESSING, processing_s, model)
        metrics.count(catalogue.TOKENS, model, by=max(0, tokens))
        if tokens > 0 and processing_s > 0:
            metrics.measure(catalogue.TOKENS_PER_SECOND, tokens / processing_s, model)

    return completed
