"""Where batches go while the store cannot take them: a folder of append-only files, bounded in bytes.

    <folder>/<writer>.lock        held by that process while it lives
    <folder>/<writer>/<n>.jsonl   a segment: a line that says how to read it, then one line per batch, n the first
    one's number

JSON lines, because a person in trouble can read and repair them. Each write is one `write` and one `fsync`, a few a
second at most and only while the store is away, so what was spooled survives a loss of power too. A line that was
torn by a crash is the last one of its file and is passed over: its batch was not reported as spooled.

Nothing here is asynchronous; the journal calls it from worker threads, one at a time but for the closing.
"""

import math
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from remuda.core.record import RequestRecord
from remuda.store.file_lock import locked_file
from remuda.store.journal_batch import Batch, cleaned

FORMAT = 1


class _Head(msgspec.Struct):
    """First line of a segment. Records are arrays of the fields named here, so that another version can read them."""

    format: int
    writer: str
    fields: Sequence[str]


class _Line(msgspec.Struct):
    """Any other line of a segment: one batch."""

    number: int
    records: Sequence[Sequence[Any]]


@dataclass(slots=True)
class _Segment:
    writer: str
    number: int
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SpooledBatches:
    """What a segment held."""

    path: Path
    batches: list[Batch] = field(default_factory=list)
    damaged_lines: int = 0
    """Whole lines that could not be read. A torn last line is none."""


class Spool:
    """The spool of one process, and what processes that have ended left behind."""

    def __init__(self, folder: Path, writer: str, *, max_bytes: int, segment_bytes: int) -> None:
        self._folder = folder
        self._writer = writer
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._guard = threading.Lock()
        self._own: list[_Segment] = []
        self._adopted: list[_Segment] = []
        self._locks: dict[str, BinaryIO] = {}
        self._active: BinaryIO | None = None
        self._active_number = 0
        self.size_bytes = 0
        """All segments together."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to load."""
        return not self._own and not self._adopted

    @property
    def first_number(self) -> int | None:
        """Number of the first batch of this process that is spooled; None where none is."""
        return self._own[0].number if self._own else None

    def adopt(self) -> None:
        """Take over the segments of processes that have ended. What cannot be read is left alone."""
        with self._guard:
            if not self._folder.is_dir():
                return
            for folder in sorted(path for path in self._folder.iterdir() if path.is_dir()):
                if folder.name in self._locks:
                    continue
                lock = locked_file(self._lock_path(folder.name))
                if lock is None:
                    continue  # that process lives and loads its own
                self._locks[folder.name] = lock
                found = [
                    _Segment(folder.name, int(path.stem), path, path.stat().st_size)
                    for path in sorted(folder.glob("*.jsonl"))
                    if path.stem.isdecimal()
                ]
                self._adopted += found
                self.size_bytes += sum(segment.size_bytes for segment in found)
                if not found:
                    self._leave(folder.name)

    def write(self, batch: Batch) -> bool:
        """Add `batch`; it is on disk when this returns True. False where the spool is full. Raises OSError."""
        line = _encoded(batch)
        with self._guard:
            head = msgspec.json.encode(_Head(FORMAT, batch.writer, RequestRecord._fields)) + b"\n"
            if self.size_bytes + len(head) + len(line) > self._max_bytes:
                return False
            if batch.number in (self._active_number, *(segment.number for segment in self._own)):
                return True  # written before by a call whose caller did not wait for its end
            if self._active is not None and batch.number > self._active_number:
                segment = self._own[-1]
                if segment.size_bytes + len(line) <= self._segment_bytes:
                    self._append(self._active, segment, line)
                    self._active_number = batch.number
                    return True
            self._begin_segment(batch, head + line)
            return True

    def read_first(self) -> SpooledBatches | None:
        """What the oldest segment holds, this process's own first; None where there is none. Raises OSError."""
        with self._guard:
            segments = self._own or self._adopted
            if not segments:
                return None
            segment = segments[0]
            if segment is (self._own[-1] if self._own else None):
                self._close_active()  # later batches go to a new one
        return _read(segment.path)

    def discard(self, loaded: SpooledBatches) -> None:
        """Remove a segment whose batches are in the store, and the folder with the last of them.

        One with damaged lines is renamed instead: a person may get more out of it than we did.
        """
        with self._guard:
            segment = self._forget(loaded.path)
            if segment is None:
                return
            if loaded.damaged_lines:
                loaded.path.replace(loaded.path.with_suffix(".damaged"))
            else:
                loaded.path.unlink(missing_ok=True)
            if not any(other.writer == segment.writer for other in (*self._own, *self._adopted)):
                self._leave(segment.writer)

    def set_aside(self) -> Path | None:
        """Pass over the oldest segment, which cannot be read, and leave its file where it is; return its path."""
        with self._guard:
            segments = self._own or self._adopted
            if not segments:
                return None
            path = segments[0].path
            self._forget(path)
            return path

    def close(self) -> None:
        """Let go of all files; what they hold waits for the next process."""
        with self._guard:
            self._close_active()
            for writer in list(self._locks):
                self._locks.pop(writer).close()

    def _begin_segment(self, batch: Batch, data: bytes) -> None:
        folder = self._folder / self._writer
        if self._writer not in self._locks:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The lock before the folder: who looks for orphans must not find the folder unlocked.
            lock = locked_file(self._lock_path(self._writer))
            if lock is None:
                raise OSError(f"another process spools as {self._writer}")
            self._locks[self._writer] = lock
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{batch.number:016d}.jsonl"
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        segment = _Segment(self._writer, batch.number, path, 0)
        try:
            self._append(file, segment, data)
        except BaseException:
            file.close()
            path.unlink(missing_ok=True)
            raise
        if self._own and batch.number < self._own[-1].number:
            # A commit that failed after later batches were spooled: it goes before them, and they go on where they
            # were.
            file.close()
            self._own.append(segment)
            self._own.sort(key=lambda known: known.number)
            return
        self._close_active()
        self._own.append(segment)
        self._active, self._active_number = file, batch.number

    def _append(self, file: BinaryIO, segment: _Segment, data: bytes) -> None:
        try:
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            # Half a line in the middle of a file would spoil the next one.
            file.truncate(segment.size_bytes)
            file.seek(segment.size_bytes)
            raise
        segment.size_bytes += len(data)
        self.size_bytes += len(data)

    def _forget(self, path: Path) -> _Segment | None:
        for segments in (self._own, self._adopted):
            for index, segment in enumerate(segments):
                if segment.path == path:
                    self.size_bytes -= segment.size_bytes
                    return segments.pop(index)
        return None

    def _close_active(self) -> None:
        if self._active is not None:
            self._active.close()
            self._active = None
            self._active_number = 0

    def _leave(self, writer: str) -> None:
        """Remove a writer's empty folder and its lock; whatever else lies in it stays."""
        if (lock := self._locks.pop(writer, None)) is None:
            return
        if writer == self._writer:
            self._close_active()
        try:
            (self._folder / writer).rmdir()
            self._lock_path(writer).unlink(missing_ok=True)
        except OSError:
            pass  # not empty, or not ours to remove: an empty folder does no harm
        finally:
            lock.close()

    def _lock_path(self, writer: str) -> Path:
        return self._folder / f"{writer}.lock"


def _encoded(batch: Batch) -> bytes:
    if not all(map(_has_only_numbers, batch.records)):
        batch = cleaned(batch)
    try:
        return msgspec.json.encode(_Line(batch.number, batch.records)) + b"\n"
    except (UnicodeError, OverflowError, ValueError, TypeError):
        return msgspec.json.encode(_Line(batch.number, cleaned(batch).records)) + b"\n"


def _has_only_numbers(record: RequestRecord) -> bool:
    """Whether JSON has all its numbers: infinity and the like would silently become null."""
    return math.isfinite(record.started_at + record.queue_wait_s + record.duration_s + (record.ttft_s or 0.0))


def _read(path: Path) -> SpooledBatches:
    lines = path.read_bytes().split(b"\n")
    lines.pop()  # after the last newline: nothing, or a torn line
    if not lines:
        return SpooledBatches(path)
    try:
        head = msgspec.json.decode(lines[0], type=_Head)
    except msgspec.MsgspecError:
        return SpooledBatches(path, damaged_lines=len(lines))
    if head.format != FORMAT:
        raise OSError(f"written by another version of Remuda (format {head.format})")
    batches = []
    damaged = 0
    for line in lines[1:]:
        try:
            found = msgspec.json.decode(line, type=_Line)
            records = [_record_from(values, head.fields) for values in found.records]
        except (msgspec.MsgspecError, TypeError):
            damaged += 1
        else:
            batches.append(Batch(head.writer, found.number, records))
    return SpooledBatches(path, batches, damaged)


def _record_from(values: Sequence[Any], fields: Sequence[str]) -> RequestRecord:
    """A record of this or another version: fields that we do not know are left out, new ones take their default."""
    if tuple(fields) != RequestRecord._fields:
        known = {name: value for name, value in zip(fields, values, strict=True) if name in RequestRecord._fields}
        values = list(RequestRecord(**known))
    return msgspec.convert(values, RequestRecord)
