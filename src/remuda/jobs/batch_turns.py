"""What is done with one batch, turn by turn: look through its file, feed its lines into the tasks, write down what came
of them, end it.

How far each of these has come stands in the store. A turn reads that, does a piece on disk, and moves it on in one
transaction, so that whatever dies in between, the next turn, here or elsewhere, goes on from there.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from remuda.core.batch import Batch, BatchState, FinishedLine, LineError, LineTask, StoredFile
from remuda.core.clock import Clock
from remuda.core.ids import Ids
from remuda.core.task import TaskState
from remuda.core.threads import in_thread
from remuda.jobs.batch_content import LostContent, RawLine, read_lines, write_at
from remuda.jobs.batch_lines import (
    MAX_LINE_BYTES,
    Asked,
    Seen,
    duplicated,
    expired_line,
    is_answer,
    line_in,
    result_line,
)
from remuda.jobs.files import Files
from remuda.store.batch_lines import (
    MAX_LINES,
    Fed,
    Written,
    abandon_batch,
    cancel_lines,
    conclude_batch,
    feed_batch,
    finished_lines,
    keep_lines,
    lines_left,
    skip_lines,
)
from remuda.store.batches import begin_batch, end_batch, fail_batch, find_batch
from remuda.store.database import Store

log = logging.getLogger(__name__)

CHECKED_LINES: Final = 500
"""Lines that are looked through in one go: a few milliseconds, in which the event loop gets little."""
CHECKED_BYTES: Final = 4 * MAX_LINE_BYTES
FED_BYTES: Final = 8 * MAX_LINE_BYTES
"""Of lines that are fed in one transaction."""
RESULT_BYTES: Final = 8 * 1024 * 1024
"""Of results that are written in one go."""
MAX_ERRORS: Final = 100
"""Wrong lines that are told of."""
POLL_S: Final = 0.2
"""How often it is looked what came of lines."""
OUTPUT: Final = "batch_output"


@dataclass(frozen=True, slots=True)
class BatchRules:
    """How batches are driven."""

    window: int = 400
    """Tasks that a batch has at once."""
    max_lines: int = 1_000_000
    time_limit_s: float = 120.0
    """How long one attempt at a line may take."""


class BatchTurns:
    """Drives batches that somebody holds the lease of."""

    def __init__(
        self,
        store: Store,
        files: Files,
        clock: Clock,
        ids: Ids,
        rules: BatchRules,
        *,
        fed: Callable[[], None],
        cancelled: Callable[[str], None],
        has_room: Callable[[str], Awaitable[bool]],
    ) -> None:
        """`fed`: there is something to claim; `cancelled`: that task was called off; `has_room`: more tasks of that key
        may wait."""
        self._store = store
        self._files = files
        self._clock = clock
        self._ids = ids
        self._rules = rules
        self._fed = fed
        self._cancelled = cancelled
        self._has_room = has_room
        self.lines = {"completed": 0, "failed": 0}
        """Lines whose results were written here."""

    async def turn(
        self, id_: str, goes_on: Callable[[], bool], moved: Callable[[], None] = lambda: None
    ) -> float | None:
        """Move the batch on; after how many seconds it is worth another turn, None where it is over. What takes long
        is broken off where it no longer `goes_on`; `moved` is told where something has come of it. Raises StoreError,
        OSError."""
        batch = await find_batch(self._store, id_)
        if batch is None or batch.state.is_over:
            return None
        try:
            if batch.state is BatchState.VALIDATING:
                await self._look_through(batch, goes_on)
                moved()
                return 0.0
            if batch.state is BatchState.IN_PROGRESS:
                return await self._go_on(batch, moved)
            return await self._wind_up(batch)
        except (LostContent, FileNotFoundError) as error:
            if not await in_thread(self._files.is_there):
                raise OSError(f"the data folder is gone: {error}") from error
            log.error("the files of batch %s are lost: %s", id_, error)
            lost = LineError("content_lost", "The content of the batch's files is gone from the gateway's data folder.")
            await abandon_batch(self._store, id_, lost, self._clock.wall())
            return None

    # Validating

    async def _look_through(self, batch: Batch, goes_on: Callable[[], bool]) -> None:
        path = self._files.path_of(batch.input_file_id)
        check = _Check(path, batch.endpoint, self._rules.max_lines)
        while await in_thread(check.more):
            if not goes_on():
                return
        if not check.errors and not check.total:
            check.errors = [LineError("empty_file", "The batch's file holds no request.")]
        if check.errors:
            await fail_batch(self._store, batch.id, check.errors, self._clock.wall())
        else:
            await begin_batch(self._store, batch.id, check.total, self._clock.wall())

    # In progress

    async def _go_on(self, batch: Batch, moved: Callable[[], None]) -> float:
        now = self._clock.wall()
        if now >= batch.expires_at:
            await end_batch(self._store, batch.id, BatchState.EXPIRED, now)
            return 0.0
        collected = await self._collect(batch)
        if collected:
            moved()
        left = await lines_left(self._store, batch.id)
        if batch.fed_bytes >= batch.input_bytes:
            if left == 0:
                await end_batch(self._store, batch.id, BatchState.COMPLETED, now)
                return 0.0
        elif left <= self._rules.window * 3 // 4 and await self._has_room(batch.key_id):
            await self._feed(batch, self._rules.window - left)
            moved()
            return 0.0 if left < self._rules.window // 4 and collected else POLL_S
        return 0.0 if collected >= MAX_LINES else POLL_S

    async def _feed(self, batch: Batch, most: int) -> None:
        path = self._files.path_of(batch.input_file_id)
        raw = await in_thread(read_lines, path, batch.fed_bytes, batch.fed_lines, most, FED_BYTES)
        lines = [
            LineTask(self._task_id(), asked.custom_id, line.number, asked.model, asked.body)
            for line, asked in _asked_in(raw, batch.endpoint)
        ]
        fed = _fed_by(batch, raw)
        if await feed_batch(self._store, batch, lines, fed, self._clock.wall(), self._rules.time_limit_s) and lines:
            self._fed()

    async def _collect(self, batch: Batch) -> int:
        """Write down what came of lines that are over; how many those were."""
        lines = await finished_lines(self._store, batch.id, self._clock.wall(), RESULT_BYTES)
        if not lines:
            return 0
        answers = [result_line(line) for line in lines if is_answer(line)]
        failures = [text for text in (_failure_line(batch, line) for line in lines if not is_answer(line)) if text]
        written = await self._write(batch, b"".join(answers), b"".join(failures), len(answers), len(failures))
        if await keep_lines(self._store, batch, [line.seq for line in lines], written):
            self.lines["completed"] += len(answers)
            self.lines["failed"] += len(failures)
        return len(lines)

    async def _write(self, batch: Batch, answers: bytes, failures: bytes, completed: int, failed: int) -> Written:
        for id_, size, data in (
            (batch.output_file_id, batch.output_bytes, answers),
            (batch.error_file_id, batch.error_bytes, failures),
        ):
            if data:
                await in_thread(write_at, self._files.path_of(id_), size, data)
        return Written(
            batch.output_bytes + len(answers),
            batch.error_bytes + len(failures),
            batch.completed + completed,
            batch.failed + failed,
        )

    # The end

    async def _wind_up(self, batch: Batch) -> float | None:
        if batch.ending is not BatchState.COMPLETED:
            for id_ in await cancel_lines(self._store, batch.id, self._clock.wall()):
                self._cancelled(id_)
        if await self._collect(batch):
            return 0.0
        if batch.ending is BatchState.EXPIRED and batch.fed_bytes < batch.input_bytes:
            await self._skip(batch)
            return 0.0
        if await lines_left(self._store, batch.id):
            return POLL_S
        await self._conclude(batch)
        return None

    async def _skip(self, batch: Batch) -> None:
        """Say of the next lines of the file that their time is over."""
        path = self._files.path_of(batch.input_file_id)
        raw = await in_thread(read_lines, path, batch.fed_bytes, batch.fed_lines, CHECKED_LINES, CHECKED_BYTES)
        late = [expired_line(self._task_id(), asked.custom_id) for _, asked in _asked_in(raw, batch.endpoint)]
        written = await self._write(batch, b"", b"".join(late), 0, len(late))
        if await skip_lines(self._store, batch, _fed_by(batch, raw), written):
            self.lines["failed"] += len(late)

    async def _conclude(self, batch: Batch) -> None:
        now = self._clock.wall()
        keep_s = self._files.bounds.retention_s if batch.output_keep_s is None else batch.output_keep_s
        made: list[StoredFile] = []
        for id_, size, word in (
            (batch.output_file_id, batch.output_bytes, "output"),
            (batch.error_file_id, batch.error_bytes, "error"),
        ):
            path = self._files.path_of(id_)
            if size:
                await in_thread(write_at, path, size, b"")
                name = f"{batch.id}_{word}.jsonl"
                made.append(StoredFile(id_, batch.key_id, OUTPUT, name, size, now, now + keep_s, batch.place))
        if await conclude_batch(self._store, batch, made, now):
            log.info("batch %s is %s: %d of %d answered", batch.id, batch.ending, batch.completed, batch.total)
            for id_ in {batch.output_file_id, batch.error_file_id} - {file.id for file in made}:
                await in_thread(self._files.path_of(id_).unlink, missing_ok=True)

    def _task_id(self) -> str:
        return str(UUID(self._ids(), version=4))


class _Check:
    """A batch's file on its way through validation. Used in threads, one call at a time."""

    def __init__(self, path: Path, endpoint: str, max_lines: int) -> None:
        self._path = path
        self._endpoint = endpoint
        self._max_lines = max_lines
        self._offset = 0
        self._number = 0
        self._seen = Seen()
        self.total = 0
        self.errors: list[LineError] = []

    def more(self) -> bool:
        """Look through some more lines; whether there may be others."""
        lines = read_lines(self._path, self._offset, self._number, CHECKED_LINES, CHECKED_BYTES)
        for line in lines:
            if line.data == b"":
                continue
            self._check(line)
            if len(self.errors) >= MAX_ERRORS or self.total > self._max_lines:
                return False
        if lines:
            self._offset, self._number = lines[-1].end, lines[-1].number
        return bool(lines)

    def _check(self, line: RawLine) -> None:
        self.total += 1
        if self.total > self._max_lines:
            said = f"A batch has at most {self._max_lines} requests here."
            self.errors = [LineError("too_many_requests", said, line.number)]
            return
        asked = line_in(line.data, line.number, self._endpoint)
        if isinstance(asked, LineError):
            self.errors.append(asked)
        elif not self._seen.add(asked.custom_id):
            self.errors.append(duplicated(asked.custom_id, line.number))


def _asked_in(raw: list[RawLine], endpoint: str) -> list[tuple[RawLine, Asked]]:
    """What lines ask that were looked through before."""
    found = [(line, line_in(line.data, line.number, endpoint)) for line in raw if line.data != b""]
    return [(line, asked) for line, asked in found if isinstance(asked, Asked)]


def _fed_by(batch: Batch, raw: list[RawLine]) -> Fed:
    """How far the file is used with these lines; to its end, where there are none."""
    return Fed(raw[-1].end, raw[-1].number) if raw else Fed(batch.input_bytes, batch.fed_lines)


def _failure_line(batch: Batch, line: FinishedLine) -> bytes:
    """What the error file says of a line that was not answered; nothing, where the batch was cancelled with it."""
    if line.state is TaskState.CANCELLED and batch.ending is BatchState.EXPIRED:
        return expired_line(line.id, line.custom_id)
    if line.state is TaskState.CANCELLED and batch.ending is BatchState.CANCELLED:
        return b""
    return result_line(line)
