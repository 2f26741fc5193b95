"""The lines of batches: fed into the tasks, and taken out again when they are over.

Whatever moves a batch on names how far it has come so far, and does nothing where somebody else has moved it since. So
a line becomes one task and a result is counted once, whoever died in between, and however many thought that it was
their turn.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, func, insert, or_, select, update

from remuda.core.batch import OPEN, Batch, BatchState, FinishedLine, LineError, LineTask, StoredFile
from remuda.core.priority import Priority
from remuda.core.task import NewTask, TaskState
from remuda.store.database import Store
from remuda.store.files import insert_file
from remuda.store.leases import store_now
from remuda.store.schema import batches, tasks
from remuda.store.tasks import UNDER_WAY, Ranks, row_of

DIALECT: Final = "batches"
"""The API that tasks of batches came by."""
LET_GO_S: Final = 30.0
"""How long a line that was called off waits for its worker to say what it used."""
MAX_LINES: Final = 512
"""Finished lines that are told at once."""

_OVER: Final = [state.value for state in (TaskState.COMPLETED, TaskState.FAILED, TaskState.DEAD)]


class Fed(NamedTuple):
    """How far the feeding of a batch has come."""

    bytes: int
    lines: int


class Written(NamedTuple):
    """How far the writing of a batch's results has come."""

    output_bytes: int
    error_bytes: int
    completed: int
    failed: int


async def feed_batch(
    store: Store, batch: Batch, lines: Sequence[LineTask], fed: Fed, now: float, time_limit_s: float
) -> bool:
    """Make tasks of `lines`, which end at `fed` in the batch's file, in one transaction with how far that is. False
    where somebody else has moved the batch on meanwhile, and nothing was done."""

    def work(connection: Connection) -> bool:
        moving = (
            update(batches)
            .where(
                batches.c.id == batch.id,
                batches.c.state == BatchState.IN_PROGRESS.value,
                batches.c.fed_bytes == batch.fed_bytes,
            )
            .values(fed_bytes=fed.bytes, fed_lines=fed.lines)
        )
        if connection.execute(moving).rowcount != 1:
            return False
        moment = store_now(connection, now)
        new = [
            NewTask(
                id=line.id,
                key_id=batch.key_id,
                dialect=DIALECT,
                path=batch.endpoint,
                model=line.model,
                body=line.body,
                priority=Priority.BACKGROUND,
                time_limit_s=time_limit_s,
            )
            for line in lines
        ]
        ranks = Ranks(connection, new)
        rows = [
            row_of(each, ranks.take(each), moment)
            | {"batch_id": batch.id, "custom_id": line.custom_id, "line": line.line}
            for each, line in zip(new, lines, strict=True)
        ]
        if rows:
            connection.execute(insert(tasks), rows)
        return True

    return await store.write(work)


async def lines_left(store: Store, batch_id: str) -> int:
    """How many tasks of the batch there are: waiting, running, or over and not yet in its files."""
    query = select(func.count()).where(tasks.c.batch_id == batch_id)
    return await store.read(lambda connection: int(connection.execute(query).scalar_one()))


async def finished_lines(store: Store, batch_id: str, now: float, max_bytes: int) -> list[FinishedLine]:
    """Lines that are over, at most MAX_LINES, and not many more bytes of results than `max_bytes`.

    One that was called off is over when its worker has said what it used, or a while has passed.
    """

    def work(connection: Connection) -> list[FinishedLine]:
        is_let_go = or_(tasks.c.worker.is_(None), tasks.c.finished_at <= store_now(connection, now) - LET_GO_S)
        is_over = or_(
            tasks.c.state.in_(_OVER),
            (tasks.c.state == TaskState.CANCELLED.value) & is_let_go,
        )
        sizes = (
            select(tasks.c.seq, func.coalesce(func.length(tasks.c.result), 0))
            .where(tasks.c.batch_id == batch_id, is_over)
            .order_by(tasks.c.line)
            .limit(MAX_LINES)
        )
        wanted: list[int] = []
        left = max_bytes
        for seq, size in connection.execute(sizes):
            wanted.append(seq)
            left -= size
            if left < 0:
                break
        query = select(
            tasks.c.seq,
            tasks.c.id,
            tasks.c.custom_id,
            tasks.c.state,
            tasks.c.status,
            tasks.c.result,
            tasks.c.error_type,
            tasks.c.error_message,
        )
        rows = connection.execute(query.where(tasks.c.seq.in_(wanted)).order_by(tasks.c.line))
        return [
            FinishedLine._make(row)._replace(
                state=TaskState(row.state), result=None if row.result is None else bytes(row.result)
            )
            for row in rows
        ]

    return await store.read(work)


async def keep_lines(store: Store, batch: Batch, seqs: Sequence[int], written: Written) -> bool:
    """Forget the tasks `seqs`, whose results are on disk up to `written`, in one transaction with how far that is.
    False where somebody else has moved the batch on meanwhile, and nothing was done."""

    def work(connection: Connection) -> bool:
        if not _note_written(connection, batch, written):
            return False
        connection.execute(delete(tasks).where(tasks.c.seq.in_(seqs)))
        return True

    return await store.write(work)


async def skip_lines(store: Store, batch: Batch, fed: Fed, written: Written) -> bool:
    """Lines up to `fed` will not be asked any more, and the files say so up to `written`. False as with the others."""

    return await store.write(lambda connection: _note_written(connection, batch, written, fed))


async def cancel_lines(store: Store, batch_id: str, now: float) -> list[str]:
    """Call off the lines of the batch that wait or run; the ids of their tasks."""

    def work(connection: Connection) -> list[str]:
        moment = store_now(connection, now)
        cancelling = (
            update(tasks)
            .where(tasks.c.batch_id == batch_id, tasks.c.state.in_(UNDER_WAY))
            .values(state=TaskState.CANCELLED.value, finished_at=moment, due_at=moment)
            .returning(tasks.c.id)
        )
        return list(connection.execute(cancelling).scalars())

    return await store.write(work)


async def conclude_batch(store: Store, batch: Batch, files: Sequence[StoredFile], now: float) -> bool:
    """The batch is over, as it was decided: its results are `files` from now on, as far as they are there."""

    def work(connection: Connection) -> bool:
        assert batch.ending is not None
        moment = store_now(connection, now)
        moving = (
            update(batches)
            .where(batches.c.id == batch.id, batches.c.state == batch.state.value)
            .values(state=batch.ending.value, ended_at=moment)
        )
        if connection.execute(moving).rowcount != 1:
            return False
        for file in files:
            ends = None if file.expires_at is None else file.expires_at - file.created_at + moment
            insert_file(connection, file._replace(created_at=moment, expires_at=ends))
        return True

    return await store.write(work)


async def abandon_batch(store: Store, batch_id: str, error: LineError, now: float) -> None:
    """The batch's files are lost: it has failed, whatever it was about to become, and its tasks are forgotten."""

    def work(connection: Connection) -> None:
        connection.execute(
            update(batches)
            .where(batches.c.id == batch_id, batches.c.state.in_(sorted(state.value for state in OPEN)))
            .values(
                state=BatchState.FAILED.value,
                ending=BatchState.FAILED.value,
                errors=msgspec.json.encode([error]).decode(),
                ended_at=store_now(connection, now),
                output_bytes=0,
                error_bytes=0,
            )
        )
        connection.execute(delete(tasks).where(tasks.c.batch_id == batch_id))

    await store.write(work)


def _note_written(connection: Connection, batch: Batch, written: Written, fed: Fed | None = None) -> bool:
    moved = {} if fed is None else {"fed_bytes": fed.bytes, "fed_lines": fed.lines}
    noting = (
        update(batches)
        .where(
            batches.c.id == batch.id,
            batches.c.fed_bytes == batch.fed_bytes,
            batches.c.output_bytes == batch.output_bytes,
            batches.c.error_bytes == batch.error_bytes,
        )
        .values(**written._asdict(), **moved)
    )
    return connection.execute(noting).rowcount == 1
