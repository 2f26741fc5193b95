"""Which batches this process drives: those whose files lie here, each under a lease, a bounded number at once."""

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from math import inf
from typing import IO, Final

from remuda.core.batch import Batch
from remuda.core.clock import Clock
from remuda.core.tasks import Tasks
from remuda.core.threads import in_thread
from remuda.jobs.batch_turns import BatchTurns
from remuda.jobs.files import Files
from remuda.store.batches import forget_batches, open_batches
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.file_lock import locked_file
from remuda.store.leases import drop_lease, take_lease

log = logging.getLogger(__name__)

LEASE_S: Final = 15.0
"""How long a batch stands still whose gateway was killed."""
RENEW_S: Final = 4.0
LOOK_S: Final = 2.0
"""How often it is looked whether there are batches that nobody drives."""
MAX_DRIVEN: Final = 32
"""Batches that a process drives at once; others wait for their turn."""
AFTER_ERROR_S: Final = 2.0
MAX_IDLE_S: Final = 2.0
"""How long a batch with which nothing happens may be left alone."""
STILL_S: Final = 30.0
"""How long nothing may happen with a batch before it makes room for one that waits: its model may never answer."""
FORGET_S: Final = 600.0
STOP_S: Final = 10.0


class _Drive:
    """One batch under way here."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        self.is_lost = False
        """Somebody else may have the lease by now."""
        self.woken = asyncio.Event()


class BatchDriver:
    """Drives batches to their end. All calls on the event loop."""

    def __init__(
        self,
        store: Store,
        files: Files,
        turns: BatchTurns,
        clock: Clock,
        holder: str,
        *,
        keep_s: float,
        still_s: float = STILL_S,
    ) -> None:
        """`holder` tells this process from all others, ever; `keep_s`: how long batches that are over are kept;
        `still_s`: how long one with which nothing happens keeps others waiting."""
        self._store = store
        self._files = files
        self._turns = turns
        self._clock = clock
        self._holder = holder
        self._keep_s = keep_s
        self._still_s = still_s
        self._drives: dict[str, _Drive] = {}
        self._tasks = Tasks("batches")
        self._woken = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_stopping = False
        self._looking: asyncio.Task[None] | None = None
        self._are_waiting = False
        """Whether there are more batches than are driven."""
        self._rested_at: dict[str, float] = {}
        """Batches that have made room, and when."""

    def __len__(self) -> int:
        """How many batches are driven here."""
        return len(self._drives)

    def start(self) -> None:
        """Begin to drive."""
        self._looking = self._tasks.start(self._look_for_ever(), "look")
        self._tasks.start(self._renew_for_ever(), "renew")
        self._tasks.start(self._forget_for_ever(), "forget")

    def wake(self, id_: str | None = None) -> None:
        """There may be a new batch, or something else to do with that one."""
        self._woken.set()
        drive = self._drives.get(id_ or "")
        if drive is not None:
            drive.woken.set()

    async def close(self) -> None:
        """Let what is under way come to a point from which others can go on, and give up all leases."""
        self._is_stopping = True
        for drive in self._drives.values():
            drive.woken.set()
        if self._looking is not None:
            self._looking.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                while self._drives:
                    self._ended.clear()
                    await self._ended.wait()
        await self._tasks.close()

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self._look()
            except StoreError as error:
                log.warning("batches: %s", error)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()

    async def _look(self) -> None:
        found = await open_batches(self._store, self._files.place)
        now = self._clock.wall()
        waiting = [batch for batch in found if batch.id not in self._drives]
        # What only has to be ended is soon over, and does not wait for others.
        ending = [batch for batch in waiting if batch.ending is not None or batch.expires_at <= now]
        for batch in ending[:MAX_DRIVEN]:
            waiting.remove(batch)
            await self._take(batch)
        while waiting and len(self._drives) < MAX_DRIVEN:
            driven = Counter(drive.key_id for drive in self._drives.values())
            # Keys take turns, however many batches each has.
            batch = min(waiting, key=lambda each: (driven[each.key_id], self._rested_at.get(each.id, -inf), each.seq))
            waiting.remove(batch)
            await self._take(batch)
        self._are_waiting = bool(waiting)
        known = {batch.id for batch in found}
        self._rested_at = {id_: at for id_, at in self._rested_at.items() if id_ in known}

    async def _take(self, batch: Batch) -> None:
        """Drive the batch, unless somebody else does."""
        if await self._has_lease(batch.id):
            self._drives[batch.id] = drive = _Drive(batch.key_id)
            self._tasks.start(self._drive(batch.id, batch.output_file_id, drive), batch.id)

    async def _renew_for_ever(self) -> None:
        while True:
            await self._clock.sleep(RENEW_S)
            for id_, drive in list(self._drives.items()):
                try:
                    if not await self._has_lease(id_):
                        drive.is_lost = True
                except StoreError as error:
                    log.warning("batches: %s", error)

    async def _forget_for_ever(self) -> None:
        while True:
            try:
                await forget_batches(self._store, self._clock.wall(), self._keep_s)
            except StoreError as error:
                log.warning("batches: %s; what is over is forgotten later", error)
            await self._clock.sleep(FORGET_S)

    async def _has_lease(self, id_: str) -> bool:
        return await take_lease(self._store, _lease(id_), self._holder, self._clock.wall(), LEASE_S)

    async def _drive(self, id_: str, output_file_id: str, drive: _Drive) -> None:
        lock: IO[bytes] | None = None
        try:
            # Whoever has lost the lease and does not know it yet still has this.
            lock = await in_thread(locked_file, self._files.path_of(output_file_id))
            if lock is not None:
                await self._drive_on(id_, drive)
                self._woken.set()  # there is room for another
        except OSError as error:
            log.warning("batch %s cannot be driven: %s", id_, error)
        finally:
            if lock is not None:
                lock.close()
            await self._let_go(id_)

    async def _drive_on(self, id_: str, drive: _Drive) -> None:
        def goes_on() -> bool:
            return not (drive.is_lost or self._is_stopping)

        idle_s, moved_at = 0.0, self._clock.monotonic()

        def moved() -> None:
            nonlocal moved_at, idle_s
            moved_at, idle_s = self._clock.monotonic(), 0.0

        while goes_on():
            drive.woken.clear()
            try:
                wait_s = await self._turns.turn(id_, goes_on, moved)
            except (StoreError, OSError) as error:
                log.warning("batch %s: %s; it is tried again", id_, error)
                wait_s = AFTER_ERROR_S
            except Exception:
                # Whatever one turn met, others go on, and this one is tried again.
                log.exception("batch %s: a turn failed; it is tried again", id_)
                wait_s = AFTER_ERROR_S
            if wait_s is None:
                return
            now = self._clock.monotonic()
            if self._are_waiting and now - moved_at >= self._still_s:
                self._rested_at[id_] = now
                return
            idle_s = min(MAX_IDLE_S, idle_s + wait_s)
            try:
                async with asyncio.timeout(idle_s if wait_s else 0.0):
                    await drive.woken.wait()
            except TimeoutError:
                pass

    async def _let_go(self, id_: str) -> None:
        try:
            await drop_lease(self._store, _lease(id_), self._holder)
        except StoreError as error:
            log.debug("the lease of %s was not given up, and will expire: %s", id_, error)
        finally:
            self._drives.pop(id_, None)
            self._ended.set()


def _lease(id_: str) -> str:
    return f"batch/{id_}"
