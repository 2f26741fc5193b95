"""The journal's writer: records are appended to a buffer, a task commits them in batches.

    append -> buffer -> (every 0.25 s) batch -> store
                                         \\-> spool -> store, when it is back

A batch has a number from the moment it is taken out of the buffer. It is *pending* until it is committed or spooled.
Batches are committed in the order of their numbers (`journal_batch` says why that makes each count exactly once), so
while the spool holds any, new ones queue up behind them there.

A turn brings along what waited when it began; what comes meanwhile waits for the next one. Else, under load, each
commit would be followed at once by a tiny one with what came during it, and that costs as much as one of hundreds.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from remuda.core.clock import Clock
from remuda.core.ids import Ids
from remuda.core.record import RequestRecord
from remuda.core.tasks import Tasks
from remuda.store.database import Store
from remuda.store.errors import StoreRefused
from remuda.store.journal_batch import Batch, cleaned, write_batches
from remuda.store.journal_spool import Spool

log = logging.getLogger(__name__)

_PROMPT, _ANSWER = map(RequestRecord._fields.index, ("prompt_text", "answer_text"))


@dataclass(frozen=True, slots=True)
class JournalBounds:
    """How much the journal holds back, and for how long."""

    interval_s: float = 0.25
    """Time between two commits: with it, at most half a second is missing after `kill -9`."""
    buffered_records: int = 65_536
    """About 60 MiB, and where several replicas could be chosen 4 KiB more for each at most, seldom more than 200 bytes:
    more than six seconds at 10,000 requests a second."""
    buffered_content_bytes: int = 64 * 2**20
    """Prompt and answer text in memory, where capture is on, counted as characters."""
    batch_records: int = 4096
    """Records in one transaction at most."""
    patience_s: float = 1.0
    """How long a commit may take before the records that come after it are spooled instead of waiting for it."""
    retry_s: float = 1.0
    """Time between two tries while the store does not answer."""
    spool_bytes: int = 256 * 2**20
    """All spool files together: about 750,000 records."""
    segment_bytes: int = 4 * 2**20
    """One spool file: what is loaded back at once."""


class Journal:
    """One record per request, kept off the request's way.

    Counters are plain integers that only grow, but for `buffered`; whoever makes metrics reads them.
    """

    def __init__(
        self, store: Store, spool_folder: Path, *, clock: Clock, ids: Ids, bounds: JournalBounds | None = None
    ) -> None:
        self.bounds = bounds or JournalBounds()
        self._store = store
        self._clock = clock
        self.writer = ids()
        """Under which its batches are counted in the store."""
        self._spool = Spool(
            spool_folder,
            self.writer,
            max_bytes=self.bounds.spool_bytes,
            segment_bytes=self.bounds.segment_bytes,
        )
        self._tasks = Tasks("journal")
        self._turn_lock = asyncio.Lock()
        self._buffer: deque[RequestRecord] = deque()
        self._due = 0
        """How many of the buffer, the oldest, this turn brings along."""
        self._max_buffered = self.bounds.buffered_records
        self._content_chars = 0
        self._pending: deque[Batch] = deque()
        self._committing: Batch | None = None
        self._last_number = 0
        self._loop: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._retry_at = 0.0
        self._is_store_down = False
        self._is_spool_failing = False
        self.committed = 0
        """Records of this process that are in the store by the direct way."""
        self.spilled = 0
        """Records that went to the spool."""
        self.loaded = 0
        """Records that came back from the spool, other processes' too, and were new to the store."""
        self.on_batch: Callable[[int, Sequence[RequestRecord]], None] = lambda number, records: None
        """Told of each batch that is taken out of the buffer: its number, by which `journal_writers` says how far this
        process has come."""
        self.dropped = 0
        """Records lost because buffer and spool were both full."""
        self.texts_dropped = 0
        """Records whose text is lost, because there was too much of it in memory."""

    @property
    def buffered(self) -> int:
        """Records in memory that are neither in the store nor in the spool yet."""
        return len(self._buffer) + sum(len(batch.records) for batch in self._pending)

    @property
    def spooled_bytes(self) -> int:
        """Size of the spool's files."""
        return self._spool.size_bytes

    def extend(self, records: Sequence[RequestRecord]) -> None:
        """As `append` for each of several records, of which only the last may carry text."""
        if (
            not (records and records[-1][_PROMPT] is not None)
            and len(self._buffer) + len(records) <= self._max_buffered
        ):
            self._buffer += records
        else:
            for record in records:
                self.append(record)

    def append(self, record: RequestRecord) -> None:
        """Keep `record`. Never waits, never raises; where all bounds are reached, its text or all of it is dropped, and
        counted."""
        if len(self._buffer) >= self._max_buffered:
            self.dropped += 1
            return
        if record[_PROMPT] is not None or record[_ANSWER] is not None:
            chars = _content_chars(record)
            if self._content_chars + chars > self.bounds.buffered_content_bytes:
                self.texts_dropped += 1
                record = record._replace(prompt_text=None, answer_text=None, parameters=None)
            else:
                self._content_chars += chars
        self._buffer.append(record)

    async def start(self) -> None:
        """Begin to commit, and to load the spool files that earlier processes left behind."""
        try:
            await asyncio.to_thread(self._spool.adopt)
        except OSError as error:
            log.error("journal: cannot look for spool files of earlier processes: %s", error)
        self._loop = self._tasks.start(self._run(), "writer")

    async def flush(self) -> None:
        """Take a turn now, also where the store was down a moment ago: what was appended before is in the store or in
        the spool afterwards, and so is what the spool held, if the store answers."""
        async with self._turn_lock:
            self._retry_at = 0.0
            await self._turn()

    async def close(self, timeout_s: float = 5.0) -> None:
        """Commit or spool what is left, within about `timeout_s`, and end. The store stays open."""
        self._max_buffered = 0
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait({self._loop})
        try:
            async with asyncio.timeout(timeout_s), self._turn_lock:
                self._retry_at = 0.0
                await self._turn()
                while self._running is not None:
                    await self._turn()
        except TimeoutError:
            log.warning("journal: the store did not take the last records within %g s", timeout_s)
        # A commit that is cut off here may have happened all the same: its batch goes to the spool under its own
        # number, by which the next process knows it.
        await self._tasks.close()
        self._committing = None
        async with self._turn_lock:
            await self._spill()
            if self.buffered:
                log.error("journal: %d records are lost: neither store nor spool took them", self.buffered)
                self.dropped += self.buffered
            await asyncio.to_thread(self._spool.close)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self.bounds.interval_s)
            try:
                async with self._turn_lock:
                    await self._turn()
            except Exception:
                # Whatever one turn met, the journal goes on with the next.
                log.exception("journal: the writer failed; it goes on")

    async def _turn(self) -> None:
        """Bring everything as far as it goes now: into the store, else into the spool, else keep it in memory."""
        self._due = len(self._buffer)
        if self._running is not None and not await self._is_over(self._running):
            await self._spill_if_crowded()
            return
        while self._clock.monotonic() >= self._retry_at and (step := self._next_step()) is not None:
            # Cancelling this turn must not cut a commit in two, so each runs as a task of its own.
            self._running = self._tasks.start(self._guarded(step()), "commit")
            is_over = await self._is_over(self._running)
            await self._spill_if_crowded()
            if not is_over:
                return
        if self._is_store_down:
            await self._spill()

    async def _is_over(self, task: asyncio.Task[None]) -> bool:
        await asyncio.wait({task}, timeout=self.bounds.patience_s)
        if not task.done():
            return False
        self._running = None
        return True

    def _next_step(self) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """What to bring to the store next, this process's batches in the order of their numbers; None if nothing is
        left."""
        first = self._spool.first_number
        if first is None:
            self._take_batch()
        if self._pending and (first is None or self._pending[0].number < first):
            return self._commit_pending
        return None if self._spool.is_empty else self._load_segment

    async def _guarded(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            await step
        except Exception as error:  # noqa: BLE001 - whatever the reason, the spool takes what the store did not
            self._retry_at = self._clock.monotonic() + self.bounds.retry_s
            if not self._is_store_down:
                log.warning("journal: %s; records go to the spool meanwhile", error)
            self._is_store_down = True
        else:
            if self._is_store_down:
                log.info("journal: the store answers again")
            self._is_store_down = False

    def _take_batch(self) -> None:
        """Number the oldest of the due records as a batch, where none is pending but the one being committed."""
        if self._due and all(batch is self._committing for batch in self._pending):
            count = min(self._due, self.bounds.batch_records)
            if count == len(self._buffer):
                records = list(self._buffer)
                self._buffer.clear()
            else:
                records = [self._buffer.popleft() for _ in range(count)]
            self._due -= count
            self._last_number += 1
            self._pending.append(Batch(self.writer, self._last_number, records))
            self.on_batch(self._last_number, records)

    def _release(self, batch: Batch) -> None:
        self._pending.remove(batch)
        if self._content_chars:
            self._content_chars -= sum(map(_content_chars, batch.records))

    async def _commit_pending(self) -> None:
        batch = self._committing = self._pending[0]
        try:
            await self._write([await self._redacted(batch)], is_durable=False)
            self.committed += len(batch.records)
            self._release(batch)
        finally:
            self._committing = None

    async def _redacted(self, batch: Batch) -> Batch:
        """The batch as it may be kept, on the disk too."""
        if not self._content_chars:
            return batch
        return replace(batch, records=await self._store.ledger.redacted(batch.records))

    async def _load_segment(self) -> None:
        try:
            loaded = await asyncio.to_thread(self._spool.read_first)
        except OSError as error:
            path = self._spool.set_aside()
            log.error("journal: cannot read the spool file %s, which is left where it is: %s", path, error)
            return
        if loaded is None:
            return
        if loaded.batches:
            # On disk before the file goes: the file was.
            self.loaded += await self._write(loaded.batches, is_durable=True)
        if loaded.damaged_lines:
            log.error(
                "journal: %d damaged lines in the spool file %s, which is kept", loaded.damaged_lines, loaded.path
            )
        try:
            await asyncio.to_thread(self._spool.discard, loaded)
        except OSError as error:
            # It will be read once more at the next start, and found to be in the journal.
            log.error("journal: cannot remove the spool file %s: %s", loaded.path, error)

    async def _write(self, batches: list[Batch], *, is_durable: bool) -> int:
        try:
            return await write_batches(self._store, batches, self._clock.wall(), is_durable=is_durable)
        except StoreRefused as error:
            log.warning("journal: %s; what no database takes is replaced", error)
            return await write_batches(
                self._store, [cleaned(batch) for batch in batches], self._clock.wall(), is_durable=is_durable
            )

    async def _spill_if_crowded(self) -> None:
        """While the store is slow, what waits is moved only when it becomes much: else it goes the direct way."""
        if len(self._buffer) * 2 >= self.bounds.buffered_records:
            await self._spill()

    async def _spill(self) -> None:
        """What is in memory goes into the spool, but for a batch being committed; what it does not take stays in
        memory."""
        self._due = len(self._buffer)
        self._take_batch()
        while batch := next((batch for batch in self._pending if batch is not self._committing), None):
            if not await self._spool_batch(batch):
                return
            self._release(batch)
            self._take_batch()

    async def _spool_batch(self, batch: Batch) -> bool:
        try:
            is_taken = await asyncio.to_thread(self._spool.write, await self._redacted(batch))
        except OSError as error:
            is_taken = False
            reason = error.strerror or str(error)
        else:
            reason = f"it has reached its bound of {self.bounds.spool_bytes} bytes"
        if not is_taken and not self._is_spool_failing:
            log.error("journal: the spool takes no more (%s); when memory is full too, records are dropped", reason)
        self._is_spool_failing = not is_taken
        if is_taken:
            self.spilled += len(batch.records)
        return is_taken


def _content_chars(record: RequestRecord) -> int:
    return len(record.prompt_text or "") + len(record.answer_text or "")
