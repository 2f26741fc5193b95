"""Moves comparisons on: in every gateway, each step a transaction that finds out for itself what is due."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from remuda.core.clock import Clock
from remuda.core.ids import Ids
from remuda.core.tasks import Tasks
from remuda.store.comparison_runs import Moved, move_comparison
from remuda.store.comparisons import forget_comparisons, open_comparisons
from remuda.store.database import Store
from remuda.store.errors import StoreError

log = logging.getLogger(__name__)

POLL_S: Final = 0.2
"""How often it is looked whether a run is over."""
LOOK_S: Final = 2.0
"""How often it is looked whether there are comparisons that another gateway has taken in."""
AFTER_ERROR_S: Final = 2.0
FORGET_S: Final = 3600.0


class ComparisonDriver:
    """Drives comparisons to their end. All calls on the event loop."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        task_ids: Ids,
        *,
        keep_s: float,
        time_limit_s: float,
        fed: Callable[[], None],
    ) -> None:
        """`keep_s`: how long comparisons that are over are kept; `time_limit_s`: how long one attempt at a run may
        take; `fed`: there is something to claim."""
        self._store = store
        self._clock = clock
        self._task_ids = task_ids
        self._keep_s = keep_s
        self._time_limit_s = time_limit_s
        self._fed = fed
        self._woken = asyncio.Event()
        self._tasks = Tasks("comparisons")

    def start(self) -> None:
        """Begin to drive."""
        self._tasks.start(self._drive_for_ever(), "drive")
        self._tasks.start(self._forget_for_ever(), "forget")

    def wake(self) -> None:
        """There is a new comparison."""
        self._woken.set()

    async def close(self) -> None:
        """Stop; another gateway, or this one when it is started again, goes on."""
        await self._tasks.close()

    async def turn(self) -> int:
        """Move on what is due; how many comparisons are not over yet. Raises StoreError."""
        found = await open_comparisons(self._store)
        left = len(found)
        busy: set[str] = set()
        for each in found:
            # One of a key at a time: they would be in each other's way, and so in their own figures.
            if each.key_id in busy:
                continue
            if each.is_due and await self._move(each.id):
                left -= 1
            else:
                busy.add(each.key_id)
        return left

    async def _move(self, id_: int) -> bool:
        """Move one on; whether it is over."""
        moved = await move_comparison(self._store, id_, self._task_ids, self._clock.wall(), self._time_limit_s)
        if moved is Moved.FED:
            self._fed()
        return moved is Moved.OVER

    async def _drive_for_ever(self) -> None:
        while True:
            try:
                wait_s = POLL_S if await self.turn() else LOOK_S
            except StoreError as error:
                log.warning("comparisons: %s; they are tried again", error)
                wait_s = AFTER_ERROR_S
            except Exception:
                # Whatever one turn met, the next goes on.
                log.exception("comparisons: a turn failed; they are tried again")
                wait_s = AFTER_ERROR_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()

    async def _forget_for_ever(self) -> None:
        while True:
            try:
                while await forget_comparisons(self._store, self._clock.wall() - self._keep_s):
                    pass
            except StoreError as error:
                log.warning("comparisons: %s; what is over is forgotten later", error)
            await self._clock.sleep(FORGET_S)
