"""What is known of files; their content lies in data folders."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, exists, func, insert, or_, select

from remuda.core.batch import OPEN, StoredFile
from remuda.store.database import Store
from remuda.store.leases import store_now
from remuda.store.schema import batches, files

MAX_PAGE: Final = 10_000
MAX_FORGOTTEN: Final = 1000
"""Files forgotten in one transaction."""
LEAST_BYTES: Final = 4096
"""What a file counts for at least: so much of a disk is taken by one with a single byte in it."""

_FIELDS: Final = tuple(files.c[name] for name in StoredFile._fields)
_OPEN: Final = sorted(state.value for state in OPEN)


async def add_file(store: Store, file: StoredFile) -> StoredFile:
    """Keep what is known of a file whose content is on disk. Raises StoreRefused, StoreUnavailable."""

    def work(connection: Connection) -> StoredFile:
        # Its times stand by the clock of this machine until now; by the store's from here on.
        moment = store_now(connection, file.created_at)
        ends = None if file.expires_at is None else file.expires_at - file.created_at + moment
        kept = file._replace(created_at=moment, expires_at=ends)
        insert_file(connection, kept)
        return kept

    return await store.write(work)


def insert_file(connection: Connection, file: StoredFile) -> None:
    """As `add_file`, in the transaction of `connection`."""
    connection.execute(insert(files).values(file._asdict()))


async def find_file(store: Store, id_: str, now: float) -> StoredFile | None:
    """The file of that id; None where there is none, or none any more."""
    query = select(*_FIELDS).where(files.c.id == id_)

    def work(connection: Connection) -> StoredFile | None:
        row = connection.execute(query).one_or_none()
        if row is None or (row.expires_at is not None and row.expires_at <= store_now(connection, now)):
            return None
        return StoredFile._make(row)

    return await store.read(work)


async def file_page(
    store: Store, key_id: str | None, purpose: str | None, limit: int, after: str | None, *, is_ascending: bool
) -> list[StoredFile]:
    """At most `limit` files of that key (None: of all), from the one that follows `after` on; nothing where that is
    no file."""
    query = select(*_FIELDS).order_by(files.c.seq.asc() if is_ascending else files.c.seq.desc())
    query = query.limit(min(limit, MAX_PAGE))
    if key_id is not None:
        query = query.where(files.c.key_id == key_id)
    if purpose is not None:
        query = query.where(files.c.purpose == purpose)
    if after is not None:
        seq = select(files.c.seq).where(files.c.id == after).scalar_subquery()
        query = query.where(files.c.seq > seq if is_ascending else files.c.seq < seq)
    return await store.read(lambda connection: [StoredFile._make(row) for row in connection.execute(query)])


async def forget_file(store: Store, id_: str) -> bool:
    """Forget a file; False where a batch still reads it, and nothing was done."""

    def work(connection: Connection) -> bool:
        connection.execute(select(files.c.seq).where(files.c.id == id_).with_for_update())
        if connection.execute(select(_is_read(id_))).scalar_one():
            return False
        connection.execute(delete(files).where(files.c.id == id_))
        return True

    return await store.write(work)


async def forget_expired(store: Store, now: float) -> int:
    """Forget files whose time is over and that no batch reads; how many those were."""

    def work(connection: Connection) -> int:
        expired = select(files.c.seq).where(files.c.expires_at <= store_now(connection, now), ~_is_read(files.c.id))
        return connection.execute(
            delete(files).where(files.c.seq.in_(expired.limit(MAX_FORGOTTEN).scalar_subquery()))
        ).rowcount

    return await store.write(work)


async def bytes_kept(store: Store, place: str) -> int:
    """How much of a data folder files take, about."""
    size = func.sum(files.c.size_bytes + LEAST_BYTES)
    query = select(size).where(files.c.place == place)
    return await store.read(lambda connection: int(connection.execute(query).scalar() or 0))


async def wanted_files(store: Store, ids: Sequence[str]) -> set[str]:
    """Those of `ids` whose content must stay: files, and what batches write into."""

    def work(connection: Connection) -> set[str]:
        kept = set(connection.execute(select(files.c.id).where(files.c.id.in_(ids))).scalars())
        written = select(batches.c.output_file_id, batches.c.error_file_id).where(
            batches.c.state.in_(_OPEN), or_(batches.c.output_file_id.in_(ids), batches.c.error_file_id.in_(ids))
        )
        for row in connection.execute(written):
            kept |= set(row)
        return kept

    return await store.read(work)


def _is_read(id_: Any) -> Any:
    return exists().where(batches.c.input_file_id == id_, batches.c.state.in_(_OPEN))
