"""Batches at rest: making, looking up, cancelling. `batch_lines` is the side of whoever drives them."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, update

from remuda.core.batch import OPEN, Batch, BatchState, LineError, NewBatch
from remuda.store.database import Store
from remuda.store.errors import StoreRefused
from remuda.store.leases import store_now
from remuda.store.queries import is_one_of
from remuda.store.schema import batches, files, tasks

MAX_PAGE: Final = 1000
MAX_OPEN: Final = 1000
"""Open batches that are told at once."""
MAX_FORGOTTEN: Final = 1000

_FIELDS: Final = tuple(batches.c[name] for name in Batch._fields)
_OPEN: Final = sorted(state.value for state in OPEN)
_OPEN_ONES: Final = (
    select(*_FIELDS)
    .where(is_one_of(batches.c.state, _OPEN), batches.c.place == bindparam("here"))
    .order_by(batches.c.seq)
    .limit(MAX_OPEN)
)
_errors: Final = msgspec.json.Decoder(list[LineError]).decode
_metadata: Final = msgspec.json.Decoder(dict[str, str] | None).decode


async def add_batch(store: Store, new: NewBatch, now: float) -> Batch | None:
    """Keep a batch; None where its file is no more. Raises StoreRefused, also where the key has made one under the same
    idempotency key, StoreUnavailable."""

    def work(connection: Connection) -> Batch | None:
        moment = store_now(connection, now)
        # Held until the batch is there: nobody may forget a file that is about to be read.
        file = connection.execute(
            select(files.c.size_bytes, files.c.place).where(files.c.id == new.input_file_id).with_for_update()
        ).one_or_none()
        if file is None:
            return None
        connection.execute(
            insert(batches).values(
                id=new.id,
                key_id=new.key_id,
                idempotency_key=new.idempotency_key,
                state=BatchState.VALIDATING.value,
                endpoint=new.endpoint,
                input_file_id=new.input_file_id,
                output_file_id=new.output_file_id,
                error_file_id=new.error_file_id,
                place=file.place,
                metadata=msgspec.json.encode(new.metadata).decode(),
                errors="[]",
                created_at=moment,
                expires_at=moment + new.window_s,
                output_keep_s=new.output_keep_s,
                total=0,
                completed=0,
                failed=0,
                input_bytes=file.size_bytes,
                fed_bytes=0,
                fed_lines=0,
                output_bytes=0,
                error_bytes=0,
            )
        )
        return read_batch(connection, new.id)

    if "\x00" in msgspec.json.encode(new.metadata).decode().replace("\\u0000", "\x00"):
        raise StoreRefused("metadata holds a NUL character")
    return await store.write(work)


async def find_batch(store: Store, id_: str) -> Batch | None:
    """The batch of that id; None where there is none."""
    return await store.read(lambda connection: read_batch(connection, id_))


async def batch_of_key(store: Store, key_id: str, idempotency_key: str) -> Batch | None:
    """The batch that the key made under that idempotency key; None where there is none, or none any more."""
    query = select(*_FIELDS).where(batches.c.key_id == key_id, batches.c.idempotency_key == idempotency_key)

    def work(connection: Connection) -> Batch | None:
        row = connection.execute(query).one_or_none()
        return None if row is None else batch_from(row)

    return await store.read(work)


async def batch_page(store: Store, key_id: str | None, limit: int, after: str | None) -> list[Batch]:
    """At most `limit` batches of that key (None: of all), newest first, from the one that follows `after` on."""
    query = select(*_FIELDS).order_by(batches.c.seq.desc()).limit(min(limit, MAX_PAGE))
    if key_id is not None:
        query = query.where(batches.c.key_id == key_id)
    if after is not None:
        query = query.where(batches.c.seq < select(batches.c.seq).where(batches.c.id == after).scalar_subquery())
    return await store.read(lambda connection: [batch_from(row) for row in connection.execute(query)])


async def count_open(store: Store, key_id: str) -> int:
    """How many batches of that key are not over."""
    query = select(func.count()).where(batches.c.key_id == key_id, batches.c.state.in_(_OPEN))
    return await store.read(lambda connection: int(connection.execute(query).scalar_one()))


async def count_batches(store: Store) -> dict[BatchState, int]:
    """How many batches there are in each state."""
    query = select(batches.c.state, func.count()).group_by(batches.c.state)

    def work(connection: Connection) -> dict[BatchState, int]:
        counts = {BatchState(state): count for state, count in connection.execute(query)}
        return {state: counts.get(state, 0) for state in BatchState}

    return await store.read(work)


async def open_batches(store: Store, place: str) -> list[Batch]:
    """Batches that are not over and whose files lie at `place`, oldest first."""
    return await store.read(
        lambda connection: [batch_from(row) for row in connection.execute(_OPEN_ONES, {"here": place})]
    )


async def cancel_batch(store: Store, id_: str, now: float) -> Batch | None:
    """Have the batch cancelled, where nothing has been decided about its end; the batch as it stands then, None where
    there is none. Whoever drives it sees to the rest."""

    def work(connection: Connection) -> Batch | None:
        connection.execute(
            update(batches)
            .where(
                batches.c.id == id_,
                batches.c.state.in_((BatchState.VALIDATING.value, BatchState.IN_PROGRESS.value)),
            )
            .values(
                state=BatchState.CANCELLING.value,
                ending=BatchState.CANCELLED.value,
                cancelling_at=store_now(connection, now),
            )
        )
        return read_batch(connection, id_)

    return await store.write(work)


async def begin_batch(store: Store, id_: str, total: int, now: float) -> bool:
    """The batch's file is what it must be: `total` asks. False where it was cancelled meanwhile."""

    def work(connection: Connection) -> bool:
        return _moved(
            connection,
            id_,
            BatchState.VALIDATING,
            state=BatchState.IN_PROGRESS.value,
            total=total,
            in_progress_at=store_now(connection, now),
        )

    return await store.write(work)


async def fail_batch(store: Store, id_: str, errors: Sequence[LineError], now: float) -> bool:
    """The batch's file is not what it must be. False where it was cancelled meanwhile."""

    def work(connection: Connection) -> bool:
        return _moved(
            connection,
            id_,
            BatchState.VALIDATING,
            state=BatchState.FAILED.value,
            ending=BatchState.FAILED.value,
            errors=msgspec.json.encode(errors).decode().replace("\\u0000", "?"),
            ended_at=store_now(connection, now),
        )

    return await store.write(work)


async def end_batch(store: Store, id_: str, ending: BatchState, now: float) -> bool:
    """Nothing more of the batch is asked: it comes to its end, which is `COMPLETED` or `EXPIRED`. False where that was
    decided already."""

    def work(connection: Connection) -> bool:
        return _moved(
            connection,
            id_,
            BatchState.IN_PROGRESS,
            state=BatchState.FINALIZING.value,
            ending=ending.value,
            finalizing_at=store_now(connection, now),
        )

    return await store.write(work)


async def forget_batches(store: Store, now: float, keep_s: float) -> int:
    """Forget batches that were over for `keep_s`; how many those were."""

    def work(connection: Connection) -> int:
        old = select(batches.c.seq).where(
            batches.c.state.not_in(_OPEN),
            batches.c.ended_at <= store_now(connection, now) - keep_s,
            ~exists().where(tasks.c.batch_id == batches.c.id),
        )
        return connection.execute(
            delete(batches).where(batches.c.seq.in_(old.limit(MAX_FORGOTTEN).scalar_subquery()))
        ).rowcount

    return await store.write(work)


def read_batch(connection: Connection, id_: str) -> Batch | None:
    """As `find_batch`, in the transaction of `connection`."""
    row = connection.execute(select(*_FIELDS).where(batches.c.id == id_)).one_or_none()
    return None if row is None else batch_from(row)


def batch_from(row: Any) -> Batch:
    """The batch in a row of its fields."""
    values = row._asdict()
    values["state"] = BatchState(row.state)
    values["ending"] = None if row.ending is None else BatchState(row.ending)
    values["metadata"] = _metadata(row.metadata)
    values["errors"] = _errors(row.errors)
    return Batch(**values)


def _moved(connection: Connection, id_: str, expected: BatchState, **values: Any) -> bool:
    moving = update(batches).where(batches.c.id == id_, batches.c.state == expected.value).values(**values)
    return connection.execute(moving).rowcount == 1
