"""The whole store in one file, and back.

One format for both databases: a zip of JSON lines, one member per table, the contents of files, and a manifest.
SQLite could copy itself faster, but such a copy restores on SQLite alone; this one moves a laptop's store to Postgres
and back, outlives changes of the database's own file format, and can be read with any tool. The price is time: about 20
seconds for a million journal entries.

A backup is one consistent state, taken while the gateway runs; what is in memory or in the journal's spool at that
moment is not in the store yet and so not in the backup. It holds digests of keys, the keys of nodes as they are sealed
(what opens them is not in the store), and whatever text was captured: its file is made for its owner alone (0600).
"""

import asyncio
import base64
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec
from sqlalchemy import Connection, Double, LargeBinary, MetaData, Table, delete, func, select, text, update

from remuda.store.backup_files import (
    Contents,
    adopt_contents,
    check_contents,
    put_back_contents,
    write_contents,
)
from remuda.store.database import Store, insert_rows, open_store, store_at
from remuda.store.errors import StoreError, StoreTooNew
from remuda.store.migrations import REVISIONS
from remuda.store.schema import VERSION_TABLE, counters, metadata
from remuda.store.versions import HEAD, migrate, version_of

FORMAT = 1
ROWS_AT_ONCE = 500
"""Rows read and compressed at once: a few milliseconds, for which other work waits where the store is on Postgres."""

_KEPT_BY_ITSELF = frozenset(
    {"alert_rules", "counters", "journal_writers", "known_models", "leases", "rollup_marks", "sightings"}
)
"""Tables that fill without anybody's doing: what is in them alone is no reason not to replace a store."""
_MANIFEST = "manifest.json"


class _TableManifest(msgspec.Struct):
    columns: list[str]
    rows: int


class _Manifest(msgspec.Struct):
    format: int
    schema: str
    """The store's version."""
    created_at: float
    """Wall clock."""
    tables: dict[str, _TableManifest]
    place: str = ""
    """The data folder in which the contents of files lay that are in the backup."""
    files: dict[str, int] = {}
    """Sizes of these contents, by id."""
    files_elsewhere: int = 0
    """Files whose contents are not in the backup."""


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What a backup holds."""

    created_at: float
    """Wall clock."""
    rows: dict[str, int]
    """By table."""
    contents: int
    """Files whose contents are in it."""
    contents_elsewhere: int
    """Files whose contents are not."""


async def backup(
    store: Store,
    path: Path,
    now: float,
    contents: Contents | None = None,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> BackupSummary:
    """Write the store's present state, and what its files hold, to the new file `path`; the gateway may go on working
    meanwhile. `on_rows` is told again and again, in whatever thread writes, how many rows are in the file.

    Raises StoreError where `path` exists or cannot be written, StoreUnavailable where the store does not answer;
    there is no file then.
    """
    if await asyncio.to_thread(path.exists):
        raise StoreError(f"{path} exists: a backup overwrites nothing")
    part = path.with_name(path.name + ".part")
    try:
        manifest = await store.snapshot(lambda connection: _write_backup(connection, part, now, contents, on_rows))
        await asyncio.to_thread(os.replace, part, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        await asyncio.to_thread(part.unlink, missing_ok=True)
    return _summary(manifest)


async def restore(path: Path, url: str, *, force: bool = False, contents: Contents | None = None) -> BackupSummary:
    """Make the store at `url` what it was when the backup `path` was taken, in one transaction, and have what its files
    held in `contents` from then on.

    The whole file is read and checked first: one that is cut off or damaged, or of a newer version, changes nothing.
    A store that holds what somebody made, or journal entries, is only replaced with `force`. Raises StoreError or
    StoreTooNew.
    """
    manifest = await asyncio.to_thread(_checked, path)
    store = store_at(url)
    try:
        await store.write(lambda connection: _restore(connection, path, manifest, force, contents))
    finally:
        await store.close()
    await (await open_store(url)).close()
    return _summary(manifest)


def _write_backup(
    connection: Connection, part: Path, now: float, contents: Contents | None, on_rows: Callable[[int], None]
) -> _Manifest:
    try:
        return _write_file(connection, part, now, contents, on_rows)
    except OSError as error:  # the file's: the drivers' own come out as SQLAlchemy's
        raise _unwritable(part, error) from error


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot write the backup {path}: {error.strerror or error}")


def _write_file(
    connection: Connection, part: Path, now: float, contents: Contents | None, on_rows: Callable[[int], None]
) -> _Manifest:
    manifest = _Manifest(FORMAT, HEAD, now, {})
    total = 0
    with (
        os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive,
    ):
        for table in metadata.sorted_tables:
            query = select(table).order_by(*table.primary_key.columns)
            found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
            count = 0
            with archive.open(_member(table.name), "w", force_zip64=True) as member:
                for rows in found.partitions():
                    on_rows(total + count)
                    _write_rows(member, rows)
                    count += len(rows)
            total += count
            manifest.tables[str(table.name)] = _TableManifest([str(column.name) for column in table.columns], count)
        if contents is not None:
            manifest.place = contents.place
            manifest.files, manifest.files_elsewhere = write_contents(connection, archive, contents)
        archive.writestr(_MANIFEST, msgspec.json.encode(manifest))
        archive.close()
        file.flush()
        os.fsync(file.fileno())
    return manifest


def _write_rows(member: IO[bytes], rows: Sequence[Sequence[Any]]) -> None:
    member.write(msgspec.json.Encoder().encode_lines([tuple(row) for row in rows]))


def _restore(connection: Connection, path: Path, manifest: _Manifest, force: bool, contents: Contents | None) -> None:
    revision = _make_room(connection, manifest.schema, force)
    for name, table in _tables_there(connection).items():
        if name not in manifest.tables:
            continue
        connection.execute(delete(table))  # what the migrations themselves put there
        for rows in _batches_of(path, name, table, manifest.tables[name].columns):
            insert_rows(connection, table, rows)
        _count_on(connection, table)
    migrate(connection, "head")
    if contents is not None and manifest.files:
        adopt_contents(connection, manifest.place, contents.place)
        try:
            # Before the commit: content that no file has does no harm.
            put_back_contents(path, manifest.files, contents.folder)
        except OSError as error:
            raise StoreError(f"cannot write into {contents.folder}: {error.strerror or error}") from error
    # Whoever watches sees a change, whatever number the backup holds.
    connection.execute(
        update(counters).where(counters.c.name == "revision").values(value=counters.c.value + revision + 1)
    )


def _count_on(connection: Connection, table: Table) -> None:
    """Numbers that the database itself gives out go on after those that came back. SQLite sees to that by itself."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar_one()
        if sequence is not None:
            following = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
            connection.execute(select(func.setval(sequence, following, False)))


def _checked(path: Path) -> _Manifest:
    """The manifest of a backup that is whole, every line of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = msgspec.json.decode(archive.read(_MANIFEST), type=_Manifest)
            if manifest.format > FORMAT or manifest.schema not in REVISIONS:
                raise StoreTooNew(
                    f"the backup {path} is of version {manifest.schema}, which is newer than this Remuda "
                    f"(version {HEAD}): upgrade Remuda first"
                )
            for name, table in manifest.tables.items():
                count = 0
                with archive.open(_member(name)) as member:
                    for line in member:
                        count += 1
                        if len(msgspec.json.decode(line, type=list[Any])) != len(table.columns):
                            raise StoreError(f"the backup {path} is damaged: table {name}, line {count}")
                if count != table.rows:
                    raise StoreError(f"the backup {path} is damaged: table {name} has {count} of {table.rows} rows")
            if (broken := check_contents(archive, manifest.files)) is not None:
                raise StoreError(f"the backup {path} is damaged: {broken} is not whole")
            return manifest
    except FileNotFoundError:
        raise StoreError(f"there is no backup {path}") from None
    except (zipfile.BadZipFile, KeyError, EOFError, msgspec.MsgspecError, UnicodeError, zlib.error) as error:
        raise StoreError(f"the backup {path} is damaged or cut off, or is no backup: {error}") from error
    except OSError as error:
        raise StoreError(f"cannot read the backup {path}: {error.strerror or error}") from error


def _make_room(connection: Connection, schema: str, force: bool) -> int:
    """Empty tables of version `schema`; return the revision of the store that was there."""
    revision = 0
    if version_of(connection) is not None:
        there = _tables_there(connection)
        is_used = any(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in there.items()
            if name not in _KEPT_BY_ITSELF
        )
        if is_used and not force:
            raise StoreError("the store holds something already: restoring would replace it (force does)")
        revision = connection.execute(select(counters.c.value).where(counters.c.name == "revision")).scalar() or 0
        # `journal_text` is filled anew by what fills the journal's text.
        for name in ["journal_text", *reversed(list(there)), VERSION_TABLE]:
            connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
    migrate(connection, schema)
    return revision


def _tables_there(connection: Connection) -> dict[str, Table]:
    """Our tables as the database has them, which may be of an older version; those that others refer to first."""
    there = MetaData()
    there.reflect(connection, only=lambda name, _: name in metadata.tables)
    return {table.name: table for table in there.sorted_tables}


def _batches_of(path: Path, name: str, table: Table, columns: list[str]) -> Iterator[list[list[Any]]]:
    """The rows of one table, some at once, in the order of the table's own columns."""
    if unknown := {column.name for column in table.columns} - set(columns):
        raise StoreError(f"the backup {path} is damaged: table {name} has no {', '.join(sorted(unknown))}")
    places = [columns.index(column.name) for column in table.columns]
    binary = [index for index, column in enumerate(table.columns) if isinstance(column.type, LargeBinary)]
    # JSON has no infinity: it came out as null.
    numbers = [
        index for index, column in enumerate(table.columns) if isinstance(column.type, Double) and not column.nullable
    ]
    with zipfile.ZipFile(path) as archive, archive.open(_member(name)) as member:
        rows: list[list[Any]] = []
        for line in member:
            values = msgspec.json.decode(line)
            row = [values[place] for place in places]
            for index in binary:
                row[index] = base64.b64decode(row[index]) if row[index] is not None else None
            for index in numbers:
                row[index] = 0.0 if row[index] is None else row[index]
            rows.append(row)
            if len(rows) == ROWS_AT_ONCE:
                yield rows
                rows = []
        if rows:
            yield rows


def _member(table: str) -> str:
    return f"tables/{table}.jsonl"


def _summary(manifest: _Manifest) -> BackupSummary:
    rows = {name: table.rows for name, table in manifest.tables.items()}
    return BackupSummary(manifest.created_at, rows, len(manifest.files), manifest.files_elsewhere)
