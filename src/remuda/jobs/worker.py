"""Claims tasks, has them answered, keeps how they ended.

Three loops: one claims whenever there is room, one tells the store that the worker lives (and learns what was
cancelled), one commits ends, all that have come meanwhile together. What is lost with the process is claimed again by
whoever tidies up, when the lease is over.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Final

from remuda.core.chance import Chance
from remuda.core.clock import Clock
from remuda.core.faults import BudgetExceeded
from remuda.core.task import Claim, Ending, Progress, TaskState
from remuda.core.tasks import Tasks
from remuda.jobs.live import Live
from remuda.jobs.runner import Outcome, Runner, Running
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.task_claims import beat, claim_tasks, finish_tasks, put_back, tidy_tasks, waiting_models

log = logging.getLogger(__name__)

LAST_CLASS_EVERY: Final = 8
"""One claim in so many is for the least urgent class that waits, so that the others cannot starve it."""
CALLED_OFF: Final = 499
AWAY: Final = 503
MADE_ROOM: Final = "made_room"
NO_MONEY: Final = BudgetExceeded.code
RETRIED: Final = frozenset({408, 425, 429})
"""Statuses below 500 that another try may not bring."""
OURS: Final = 500
JUMP_S: Final = 1.0
"""What the wall clock may gain or lose between two looks without having been put forward or back."""
NEVER_RETRIED: Final = frozenset({"task_time_limit"})


@dataclass(frozen=True, slots=True)
class WorkerRules:
    """How a worker goes about it."""

    concurrency: int = 16
    """Tasks at once."""
    max_attempts: int = 3
    lease_s: float = 30.0
    """How long a task stays with a worker that is not heard of."""
    beat_s: float = 1.0
    poll_s: float = 0.5
    """How often it is looked whether another process has submitted something, or a slot has come free."""
    tidy_s: float = 2.0
    backoff_s: float = 1.0
    """Before the second attempt; twice as long before each further one."""
    max_backoff_s: float = 60.0
    budget_wait_s: float = 60.0
    """After how long it is looked again whether a budget covers a task by now: no attempt of the task's."""
    retention_s: float = 3600.0
    """How long a task is kept after its end."""


@dataclass(slots=True)
class _Run:
    claim: Claim
    running: Running
    is_unwanted: bool = False
    """Cancelled, or somebody else's by now."""
    task: "asyncio.Task[None] | None" = field(default=None)


class Worker:
    """One of any number on the same store. All calls on the event loop."""

    def __init__(
        self,
        name: str,
        store: Store,
        runner: Runner,
        room: Callable[[str], Awaitable[int]],
        live: Live,
        clock: Clock,
        chance: Chance,
        rules: WorkerRules | None = None,
        on_completed: Callable[[Claim, Ending], None] = lambda claim, ending: None,
        began: Callable[[str], None] = lambda model: None,
    ) -> None:
        """`name` is never used again by another worker; `room` says how many asks of a model may begin now;
        `on_completed` is told of each task that completed, when the store has its end, `began` of the model of each
        that begins."""
        self.name = name
        self.rules = rules or WorkerRules()
        self._store = store
        self._runner = runner
        self._room = room
        self._live = live
        self._clock = clock
        self._chance = chance
        self._runs: dict[str, _Run] = {}
        self._ends: list[tuple[Claim, Ending]] = []
        self._committing = 0
        self._has_ends = asyncio.Event()
        self._woken = asyncio.Event()
        self._tasks = Tasks("worker")
        self._claims = 0
        self._ahead_s: float | None = None
        """Of the monotonic clock, the wall clock when it was looked at last."""
        self._settled_at = -inf
        self._is_draining = False
        self._is_stopping = False
        self._on_completed = on_completed
        self._began = began
        self.claimed = 0
        self.retried = 0
        self.ended = {state: 0 for state in TaskState if state.is_over}
        """How many this worker saw end, by how."""

    @property
    def running(self) -> Mapping[str, int]:
        """How many tasks of each model this worker has."""
        counts: dict[str, int] = {}
        for run in self._runs.values():
            counts[run.claim.model] = counts.get(run.claim.model, 0) + 1
        return counts

    @property
    def unsaved(self) -> int:
        """Tasks that run, or whose end the store does not know yet."""
        return len(self._runs) + len(self._ends) + self._committing

    def start(self) -> None:
        """Begin to work."""
        self._tasks.start(self._forever(self._claim, self.rules.poll_s, self._woken), "claim")
        self._tasks.start(self._forever(self._commit, 60.0, self._has_ends), "commit")
        self._tasks.start(self._forever(self._beat, self.rules.beat_s), "beat")
        self._tasks.start(self._forever(self._tidy, self.rules.tidy_s), "tidy")

    def wake(self) -> None:
        """There may be something to claim."""
        self._woken.set()

    def cancelled(self, id_: str) -> None:
        """The store has the task as cancelled: stop it now, where it is ours."""
        run = self._runs.get(id_)
        if run is not None:
            run.is_unwanted = True
            run.running.stop()

    def drain(self) -> None:
        """Take nothing new; what runs goes on."""
        self._is_draining = True

    async def close(self) -> None:
        """Stop what runs, let other workers have it at once, and keep what has ended."""
        self._is_draining = self._is_stopping = True
        for run in list(self._runs.values()):
            run.running.stop()
        waiting = [run.task for run in self._runs.values() if run.task is not None]
        if waiting:
            await asyncio.wait(waiting, timeout=10.0)
        try:
            async with asyncio.timeout(5.0):
                while self._ends:
                    await self._commit()
        except (TimeoutError, StoreError) as error:
            log.warning("worker: the store did not take how %d tasks ended: %s", len(self._ends), error)
        await self._tasks.close()

    # Loops

    async def _forever(
        self, step: Callable[[], Awaitable[None]], every_s: float, woken: asyncio.Event | None = None
    ) -> None:
        while True:
            try:
                await step()
            except StoreError as error:
                log.warning("worker: %s", error)
                await self._clock.sleep(1.0)
            except Exception:
                # Whatever one turn met, the worker goes on with the next.
                log.exception("worker: a turn failed; it goes on")
                await self._clock.sleep(1.0)
            if woken is None:
                await self._clock.sleep(every_s)
                continue
            try:
                async with asyncio.timeout(every_s):
                    await woken.wait()
            except TimeoutError:
                pass
            woken.clear()

    async def _claim(self) -> None:
        if self._is_draining or len(self._runs) >= self.rules.concurrency:
            return
        for model in await waiting_models(self._store):
            room = min(await self._room(model), self.rules.concurrency - len(self._runs))
            if room <= 0:
                continue
            self._claims += 1
            claims = await claim_tasks(
                self._store,
                self.name,
                model,
                room,
                self._clock.wall(),
                self.rules.lease_s,
                last_class_first=self._claims % LAST_CLASS_EVERY == 0,
            )
            self.claimed += len(claims)
            for claim in claims:
                self._begin(claim)

    def _begin(self, claim: Claim) -> None:
        self._began(claim.model)
        self._live.began(claim.id, claim.number)
        running = self._runner.start(claim, partial(self._live.said, claim.id))
        run = self._runs[claim.id] = _Run(claim, running)
        run.task = self._tasks.start(self._see_through(run), claim.id)

    async def _see_through(self, run: _Run) -> None:
        claim = run.claim
        late = asyncio.get_running_loop().call_later(claim.time_limit_s, partial(run.running.stop, is_too_late=True))
        try:
            outcome = await run.running.outcome()
        finally:
            late.cancel()
            del self._runs[claim.id]
        try:
            await self._conclude(run, outcome)
        finally:
            self.wake()

    async def _conclude(self, run: _Run, outcome: Outcome) -> None:
        claim, rules = run.claim, self.rules
        if run.is_unwanted:
            self._end(claim, _ending(TaskState.CANCELLED, outcome))
        elif outcome.error_type == MADE_ROOM or (self._is_stopping and outcome.status in (CALLED_OFF, AWAY)):
            await self._put_back(claim, outcome, 0.0, counts=False)
        elif outcome.error_type == NO_MONEY:
            await self._put_back(claim, outcome, rules.budget_wait_s, counts=False)
        elif not outcome.error_type:
            self._end(claim, _ending(TaskState.COMPLETED, outcome))
        elif not may_be_retried(outcome):
            self._end(claim, _ending(TaskState.FAILED, outcome))
        elif claim.attempt >= rules.max_attempts:
            self._end(claim, _ending(TaskState.DEAD, outcome))
        else:
            self.retried += 1
            delay_s = backoff_s(rules, claim.attempt, self._chance())
            await self._put_back(claim, outcome, delay_s, counts=True)

    def _end(self, claim: Claim, ending: Ending) -> None:
        self._ends.append((claim, ending))
        self._has_ends.set()

    async def _put_back(self, claim: Claim, outcome: Outcome, delay_s: float, *, counts: bool) -> None:
        try:
            is_held = await put_back(
                self._store,
                claim,
                self._clock.wall(),
                delay_s=delay_s,
                # With one that may begin again at once, nothing is wrong.
                error_type=outcome.error_type if delay_s else "",
                error_message=outcome.error_message if delay_s else "",
                counts=counts,
            )
        except StoreError as error:
            log.warning("worker: %s; the task %s waits for the end of its lease", error, claim.id)
            is_held = True
        if is_held:
            self._live.ended(claim.id)
        else:
            self._end(claim, _ending(TaskState.CANCELLED, outcome))  # for it was, or it is somebody else's by now

    async def _commit(self) -> None:
        ends, self._ends = self._ends, []
        if not ends:
            return
        self._committing = len(ends)
        try:
            states = await finish_tasks(self._store, ends, self._clock.wall(), self.rules.retention_s)
        except BaseException:
            self._ends = ends + self._ends  # its lease is kept meanwhile, if the store hears of us
            self._has_ends.set()
            raise
        finally:
            self._committing = 0
        for (claim, ending), state in zip(ends, states, strict=True):
            if state is not None and state is not TaskState.CANCELLED:  # that was counted by whoever cancelled it
                self.ended[state] += 1
            if state is TaskState.COMPLETED:
                self._on_completed(claim, ending)
            self._live.ended(claim.id)

    async def _beat(self) -> None:
        running = [Progress(run.claim.id, run.claim.number, run.running.tokens) for run in self._runs.values()]
        running += [Progress(claim.id, claim.number, 0) for claim, _ in self._ends]
        if not running:
            return
        held = await beat(self._store, self.name, running, self._clock.wall(), self.rules.lease_s)
        for each in running:
            run = self._runs.get(each.id)
            if each.id not in held and run is not None and run.claim.number == each.claim:
                self.cancelled(each.id)

    async def _tidy(self) -> None:
        if self._has_clock_jumped():
            return
        rules = self.rules
        tidied = await tidy_tasks(
            self._store,
            self._clock.wall(),
            max_attempts=rules.max_attempts,
            backoff_s=rules.backoff_s,
            max_backoff_s=max(rules.max_backoff_s, rules.budget_wait_s),
            lease_s=rules.lease_s,
            retention_s=rules.retention_s,
        )
        for id_, state in tidied.lost:
            log.warning("the worker of task %s was not heard of: it is %s now", id_, state.value)
            if state.is_over:
                self.ended[state] += 1
            self._live.changed(id_)
        if tidied.readied:
            self.wake()

    def _has_clock_jumped(self) -> bool:
        """Whether the wall clock was put forward or back lately, or the machine has slept: leases seem to be over whose
        workers have had no time to renew them by the new time."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        ahead_s = wall - monotonic
        jump_s = 0.0 if self._ahead_s is None else ahead_s - self._ahead_s
        self._ahead_s = ahead_s
        if abs(jump_s) > JUMP_S:
            log.warning("the clock was put %s by %.0f s", "forward" if jump_s > 0 else "back", abs(jump_s))
            self._settled_at = monotonic + self.rules.lease_s
        return monotonic < self._settled_at


def may_be_retried(outcome: Outcome) -> bool:
    """Whether another attempt may end better."""
    return outcome.error_type not in NEVER_RETRIED and (outcome.status >= OURS or outcome.status in RETRIED)


def backoff_s(rules: WorkerRules, attempt: int, chance: float) -> float:
    """How long to wait after so many attempts: exponential, between half and all of it (`chance` from 0 to 1)."""
    longest = min(rules.max_backoff_s, rules.backoff_s * 2.0 ** (attempt - 1))
    return longest * (0.5 + chance / 2)


def _ending(state: TaskState, outcome: Outcome) -> Ending:
    return Ending(
        state,
        outcome.body,
        outcome.text,
        outcome.status,
        outcome.error_type,
        outcome.error_message,
        outcome.record,
    )
