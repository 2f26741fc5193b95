"""What files hold, in a backup: contents lie in the data folder, each under its file's id, and not in the store."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from remuda.core.batch import OPEN
from remuda.store.schema import batches, files

CHUNK_BYTES = 1024 * 1024


class Contents(NamedTuple):
    """Where the contents of files lie."""

    folder: Path
    place: str
    """What the store calls it."""


def write_contents(connection: Connection, archive: zipfile.ZipFile, contents: Contents) -> tuple[dict[str, int], int]:
    """Add what lies there: sizes in bytes by id, and how many files there are besides whose contents lie elsewhere, or
    nowhere. Raises OSError."""
    written: dict[str, int] = {}
    missing = 0
    for id_, size, place in list(_known(connection)):
        if place == contents.place and _write(archive, contents.folder / id_, id_, size):
            written[id_] = size
        else:
            missing += 1
    return written, missing


def check_contents(archive: zipfile.ZipFile, sizes: dict[str, int]) -> str | None:
    """The id of the first that is not as long as it must be; None where all are whole."""
    for id_, size in sizes.items():
        with archive.open(member_of(id_)) as member:
            found = 0
            while data := member.read(CHUNK_BYTES):
                found += len(data)
        if found != size:
            return id_
    return None


def put_back_contents(path: Path, sizes: dict[str, int], folder: Path) -> None:
    """Have the contents in the backup `path` in `folder`, in place of what is there under their names. Raises
    OSError."""
    with zipfile.ZipFile(path) as archive:
        for id_ in sizes:
            target = folder / id_
            part = target.with_name(f"{id_}.part")
            with archive.open(member_of(id_)) as member, part.open("wb") as file:
                while data := member.read(CHUNK_BYTES):
                    file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)


def adopt_contents(connection: Connection, before: str, place: str) -> None:
    """What lay at `before` lies at `place` from now on."""
    for table in (files, batches):
        connection.execute(update(table).where(table.c.place == before).values(place=place))


def member_of(id_: str) -> str:
    """Its name in the archive."""
    return f"files/{id_}"


def _known(connection: Connection) -> Iterator[tuple[str, int, str]]:
    """Id, size and place of all files, and of the results of batches under way, as far as these count."""
    for id_, size, place in connection.execute(select(files.c.id, files.c.size_bytes, files.c.place)):
        yield id_, size, place
    is_open = batches.c.state.in_(sorted(state.value for state in OPEN))
    for name in ("output", "error"):
        id_, size = batches.c[f"{name}_file_id"], batches.c[f"{name}_bytes"]
        for row in connection.execute(select(id_, size, batches.c.place).where(is_open, size > 0)):
            yield row[0], row[1], row[2]


def _write(archive: zipfile.ZipFile, path: Path, id_: str, size: int) -> bool:
    """Whether there were so many bytes; what came after them does not count yet, and is left out."""
    try:
        source = path.open("rb")
    except FileNotFoundError:
        return False
    with source:
        if os.fstat(source.fileno()).st_size < size:
            return False
        with archive.open(member_of(id_), "w", force_zip64=True) as member:
            while size and (data := source.read(min(CHUNK_BYTES, size))):
                member.write(data)
                size -= len(data)
    return True
