"""Files that clients hand in, and those with what came of them: content in the data folder, the rest in the store."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from remuda.core.batch import StoredFile
from remuda.core.clock import Clock
from remuda.core.faults import BodyTooLarge, Taken, Unavailable, UnknownFile
from remuda.core.ids import Ids
from remuda.core.threads import in_thread
from remuda.jobs.translated import translated
from remuda.store.database import Store
from remuda.store.errors import StoreError, StoreRefused
from remuda.store.files import (
    LEAST_BYTES,
    add_file,
    bytes_kept,
    file_page,
    find_file,
    forget_expired,
    forget_file,
    wanted_files,
)

log = logging.getLogger(__name__)

WRITE_BYTES: Final = 1024 * 1024
"""How much of an upload is gathered before it is written."""
TIDY_S: Final = 600.0
STALE_S: Final = 3600.0
"""Content that nobody wants is removed when it was not changed for so long: it may be on its way in."""
LOOKED_UP: Final = 500
FULL_RETRY_S: Final = 60
PLACE: Final = "place"
PART: Final = ".part"

_ID: Final = re.compile(r"file-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class FileBounds:
    """How much is kept."""

    file_bytes: int = 512 * 1024 * 1024
    """Of one file."""
    total_bytes: int = 16 * 1024 * 1024 * 1024
    """Of all files in the data folder."""
    retention_s: float = 30 * 86_400.0
    """How long, where nothing else is said."""


class Files:
    """All files, as one caller or another may see them."""

    def __init__(self, store: Store, folder: Path, clock: Clock, ids: Ids, bounds: FileBounds) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock
        self._ids = ids
        self.bounds = bounds
        self.place = ""
        """Tells this data folder from those of other gateways."""
        self.coming_bytes = 0
        """Of files that are being received."""

    def open(self) -> None:
        """Make the folder, where it is missing; raises OSError."""
        self.place = opened_place(self._folder, self._ids)

    def is_there(self) -> bool:
        """Whether the folder is the one that was opened: one that lies elsewhere may not be there for a while."""
        try:
            return (self._folder / PLACE).read_text().strip() == self.place
        except OSError:
            return False

    def new_id(self) -> str:
        """The id of a file that will be."""
        return f"file-{self._ids()}"

    def path_of(self, id_: str) -> Path:
        """Where the content of a file is; only ever asked with ids that were made here."""
        if not _ID.fullmatch(id_):
            raise UnknownFile
        return self._folder / id_

    async def receive(self) -> "Receiving":
        """Begin to take in a file. Raises Unavailable where there is no room for more."""
        with translated():
            kept = await bytes_kept(self._store, self.place)
        id_ = self.new_id()
        return Receiving(self, kept, await in_thread(self._begin, id_), id_)

    def _begin(self, id_: str) -> IO[bytes]:
        with _disk_faults():
            return self.path_of(id_).with_name(id_ + PART).open("xb", buffering=0)

    async def find(self, id_: str, key_id: str | None) -> StoredFile:
        """The file, if it is that key's (None: whoever's); raises UnknownFile, Unavailable."""
        if not _ID.fullmatch(id_):
            raise UnknownFile
        with translated():
            found = await find_file(self._store, id_, self._clock.wall())
        if found is None or (key_id is not None and found.key_id != key_id):
            raise UnknownFile
        return found

    async def page(
        self, key_id: str | None, purpose: str | None, limit: int, after: str | None, *, is_ascending: bool
    ) -> list[StoredFile]:
        """Files, from the one that follows `after` on; raises UnknownFile where that is none, Unavailable."""
        if after is not None:
            await self.find(after, key_id)
        with translated():
            return await file_page(self._store, key_id, purpose, limit, after, is_ascending=is_ascending)

    async def content(self, id_: str, key_id: str | None) -> tuple[StoredFile, Path]:
        """The file and where its content is; raises UnknownFile, Unavailable."""
        file = await self.find(id_, key_id)
        path = self.path_of(self.here(file).id)
        if not await in_thread(path.is_file):
            log.warning("the content of %s is gone from the data folder", id_)
            raise UnknownFile("the content of this file is gone from the gateway's data folder")
        return file, path

    def here(self, file: StoredFile) -> StoredFile:
        """The same file, whose content lies here; raises Unavailable where it lies with another gateway."""
        if file.place != self.place:
            raise Unavailable(
                "the content of this file lies in the data folder of another gateway: ask that one, or let all "
                "gateways share one folder",
                retry_after_s=1,
            )
        return file

    async def delete(self, id_: str, key_id: str | None) -> None:
        """Forget the file and remove its content; raises UnknownFile, Taken where a batch reads it, Unavailable."""
        file = await self.find(id_, key_id)
        with translated():
            is_forgotten = await forget_file(self._store, id_)
        if not is_forgotten:
            raise Taken("a batch reads this file: wait for its end, or cancel it")
        if file.place == self.place:
            with suppress(OSError):  # what is left is removed when the folder is put in order
                await in_thread(self.path_of(id_).unlink, missing_ok=True)

    async def keep_tidy(self) -> None:
        """Put the folder in order now and then; for ever."""
        while True:
            try:
                await self.tidy()
            except (StoreError, OSError) as error:
                log.warning("files: %s; what is over is removed later", error)
            await self._clock.sleep(TIDY_S)

    async def tidy(self) -> int:
        """Forget files whose time is over, and remove content that belongs to none; how many of those. Raises
        StoreError, OSError."""
        await forget_expired(self._store, self._clock.wall())
        old = await in_thread(self._old_names)
        removed = 0
        for start in range(0, len(old), LOOKED_UP):
            names = old[start : start + LOOKED_UP]
            wanted = await wanted_files(self._store, [name for name in names if _ID.fullmatch(name)])
            unwanted = [name for name in names if name not in wanted]
            await in_thread(self._remove, unwanted)
            removed += len(unwanted)
        return removed

    def _old_names(self) -> list[str]:
        before = self._clock.wall() - STALE_S
        with os.scandir(self._folder) as entries:
            return [each.name for each in entries if each.name != PLACE and each.stat().st_mtime < before]

    def _remove(self, names: list[str]) -> None:
        for name in names:
            (self._folder / name).unlink(missing_ok=True)

    # What a file that is received needs

    async def keep(self, file: StoredFile, content: IO[bytes]) -> StoredFile:
        """Have what was received on disk under its name, and known."""
        path = self.path_of(file.id)
        await in_thread(_settle, content, path.with_name(file.id + PART), path)
        with translated():
            try:
                return await add_file(self._store, file)
            except StoreRefused:
                await in_thread(path.unlink, missing_ok=True)
                raise
            # Otherwise the store may have the file, though it could not say so: content without one is removed when
            # the folder is put in order.

    async def drop(self, id_: str, content: IO[bytes]) -> None:
        """Remove what has come of a file that will not be."""
        await in_thread(content.close)
        await in_thread(self.path_of(id_).with_name(id_ + PART).unlink, missing_ok=True)

    def now(self) -> float:
        """The wall clock."""
        return self._clock.wall()


class Receiving:
    """A file on its way in. Ends with `keep` or `drop`."""

    def __init__(self, files: Files, kept: int, content: IO[bytes], id_: str) -> None:
        self._files = files
        self._kept = kept
        self._content = content
        self._id = id_
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._is_over = False
        self.size_bytes = 0

    async def write(self, data: bytes) -> None:
        """More of it. Raises BodyTooLarge, Unavailable."""
        files, bounds = self._files, self._files.bounds
        self.size_bytes += len(data)
        files.coming_bytes += len(data)
        if self.size_bytes > bounds.file_bytes:
            raise BodyTooLarge(f"a file has at most {bounds.file_bytes} bytes here (tasks.max_file_bytes)")
        if self._kept + LEAST_BYTES + files.coming_bytes > bounds.total_bytes:
            raise Unavailable(
                "there is no room for more files: delete some (tasks.max_files_bytes)", retry_after_s=FULL_RETRY_S
            )
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes >= WRITE_BYTES:
            await self._write_out()

    async def keep(self, *, key_id: str, purpose: str, filename: str, keep_s: float | None) -> StoredFile:
        """The file: on disk, and known, when this returns. Raises Unavailable, InvalidRequest."""
        await self._write_out()
        now = self._files.now()
        ends = now + (self._files.bounds.retention_s if keep_s is None else keep_s)
        file = StoredFile(self._id, key_id, purpose, filename, self.size_bytes, now, ends, self._files.place)
        with _disk_faults():
            kept = await self._files.keep(file, self._content)
        self._end()
        return kept

    async def drop(self) -> None:
        """It is not wanted. Nothing happens to one that is kept."""
        if not self._is_over:
            self._end()
            await self._files.drop(self._id, self._content)

    async def _write_out(self) -> None:
        data, self._gathered, self._gathered_bytes = b"".join(self._gathered), [], 0
        if data:
            with _disk_faults():
                await in_thread(write_all, self._content, data)

    def _end(self) -> None:
        self._is_over = True
        self._files.coming_bytes -= self.size_bytes


def opened_place(folder: Path, ids: Ids) -> str:
    """What tells a data folder's files from those of others; the folder is made where it is missing. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    note, new = folder / PLACE, folder / f"{PLACE}.{ids()}"
    if not note.exists():
        with new.open("x") as file:
            file.write(ids())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another gateway on the same folder was first
            os.link(new, note)
        new.unlink()
        sync_folder(folder)
    return note.read_text().strip()


@contextmanager
def _disk_faults() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.warning("a file could not be kept: %s", error)
        raise Unavailable(
            f"the file could not be kept: {error.strerror or error}", retry_after_s=FULL_RETRY_S
        ) from error


def write_all(content: IO[bytes], data: bytes) -> None:
    """Write all of it into a file without a buffer of its own."""
    view = memoryview(data)
    while view:
        view = view[content.write(view) :]


def _settle(content: IO[bytes], part: Path, path: Path) -> None:
    """Have the content on disk, and then its name."""
    os.fsync(content.fileno())
    content.close()
    part.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
