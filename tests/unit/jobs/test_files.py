"""Files, taken in, looked up and put in order, on a real store and disk."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from remuda.core.batch import StoredFile
from remuda.core.clock import SystemClock
from remuda.core.faults import BodyTooLarge, InvalidRequest, Taken, Unavailable, UnknownFile
from remuda.core.ids import random_ids
from remuda.core.threads import in_thread
from remuda.jobs.batches import Batches
from remuda.jobs.files import LEAST_BYTES, PLACE, STALE_S, FileBounds, Files, Receiving
from remuda.store import Store, open_store, store_url_in

NOBODYS = "file-" + "0" * 32


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


def files_on(store: Store, folder: Path, **bounds: Any) -> Files:
    made = Files(store, folder, SystemClock(), random_ids(), FileBounds(**bounds))
    made.open()
    return made


async def taken_in(files: Files, content: bytes = b"content", key_id: str = "k", **values: Any) -> StoredFile:
    receiving = await files.receive()
    usual = {"purpose": "batch", "filename": "in.jsonl", "keep_s": None}
    try:
        await receiving.write(content)
        return await receiving.keep(key_id=key_id, **{**usual, **values})
    finally:
        await receiving.drop()


def names_in(files: Files) -> set[str]:
    return {path.name for path in files.path_of(NOBODYS).parent.iterdir()} - {PLACE}


async def test_what_is_kept_is_there(store: Store, tmp_path: Path):
    files = files_on(store, tmp_path / "files")
    receiving = await files.receive()
    for _ in range(3):
        await receiving.write(b"x" * 600_000)
    kept = await receiving.keep(key_id="k", purpose="batch", filename="in.jsonl", keep_s=7200.0)
    await receiving.drop()
    assert (kept.size_bytes, kept.key_id, kept.place) == (1_800_000, "k", files.place)
    assert kept.expires_at is not None
    assert kept.expires_at - kept.created_at == pytest.approx(7200)
    file, path = await files.content(kept.id, "k")
    assert file == kept
    assert path.read_bytes() == b"x" * 1_800_000
    assert names_in(files) == {kept.id}
    assert files.coming_bytes == 0
    assert files_on(store, tmp_path / "files").place == files.place


async def test_what_is_dropped_leaves_nothing(store: Store, tmp_path: Path):
    files = files_on(store, tmp_path / "files")
    receiving = await files.receive()
    await receiving.write(b"x" * 2_000_000)
    assert len(names_in(files)) == 1
    await receiving.drop()
    assert (names_in(files), files.coming_bytes) == (set(), 0)


async def test_bounds(store: Store, tmp_path: Path):
    files = files_on(store, tmp_path / "files", file_bytes=100, total_bytes=150 + 2 * LEAST_BYTES)
    receiving = await files.receive()
    await receiving.write(b"x" * 100)
    with pytest.raises(BodyTooLarge):
        await receiving.write(b"x")
    await receiving.drop()
    await taken_in(files, b"x" * 80)
    with pytest.raises(Unavailable, match="no room"):
        await taken_in(files, b"x" * 80)


async def test_what_the_disk_says_is_told(store: Store, tmp_path: Path):
    files = files_on(store, tmp_path / "files")
    receiving = Receiving(files, 0, await in_thread(open, "/dev/full", "wb", buffering=0), files.new_id())
    with pytest.raises(Unavailable, match="No space left"):
        await receiving.write(b"x" * 2_000_000)
    await receiving.drop()
    assert names_in(files) == set()


class Answerless:
    """A database whose answer to a commit gets lost."""

    def __init__(self, database: Any) -> None:
        self._database = database

    async def run(self, work: Any, mode: Any) -> Any:
        done = await self._database.run(work, mode)
        if mode.is_writing:
            raise OSError("the connection is lost")
        return done


async def test_a_file_that_the_store_has_keeps_its_content_though_it_could_not_say_so(store: Store, tmp_path: Path):
    files = files_on(store, tmp_path / "files")
    database = store._database
    store._database = Answerless(database)
    with pytest.raises(Unavailable):
        await taken_in(files)
    store._database = database
    [file] = await files.page("k", None, 9, None, is_ascending=True)
    _, path = await files.content(file.id, "k")
    assert path.read_bytes() == b"content"


async def test_of_a_file_that_the_store_refuses_nothing_stays(store: Store, tmp_path: Path):
    files = files_on(store, tmp_path / "files")
    with pytest.raises(InvalidRequest):
        await taken_in(files, filename="\ud800")
    assert names_in(files) == set()


async def test_whose_it_is(store: Store, tmp_path: Path):
    files = files_on(store, tmp_path / "files")
    kept = await taken_in(files)
    assert await files.find(kept.id, None) == kept
    for id_, key_id in ((kept.id, "other"), (NOBODYS, "k"), ("../remuda.db", "k"), ("", "k"), (kept.id + "\n", "k")):
        with pytest.raises(UnknownFile):
            await files.find(id_, key_id)
        with pytest.raises(UnknownFile):
            await files.delete(id_, key_id)
        with pytest.raises(UnknownFile):
            await files.page(key_id, None, 10, id_, is_ascending=True)
    with pytest.raises(UnknownFile):
        files.path_of("../remuda.db")
    assert await files.page("k", "batch", 10, None, is_ascending=True) == [kept]
    assert await files.page("other", None, 10, None, is_ascending=True) == []


async def test_deleting(store: Store, tmp_path: Path):
    files = files_on(store, tmp_path / "files")
    kept = await taken_in(files)
    batches = Batches(store, files, SystemClock(), random_ids())
    await batches.create("/p", kept.id, key_id="k", sees="k", metadata=None, output_keep_s=None)
    with pytest.raises(Taken):
        await files.delete(kept.id, "k")
    other = await taken_in(files)
    await files.delete(other.id, "k")
    assert names_in(files) == {kept.id}
    with pytest.raises(UnknownFile):
        await files.content(other.id, "k")


async def test_content_that_lies_elsewhere_or_nowhere(store: Store, tmp_path: Path):
    here, there = files_on(store, tmp_path / "files"), files_on(store, tmp_path / "others")
    kept = await taken_in(here)
    assert (await there.find(kept.id, "k")) == kept
    with pytest.raises(Unavailable, match="another gateway"):
        await there.content(kept.id, "k")
    here.path_of(kept.id).unlink()
    with pytest.raises(UnknownFile, match="gone"):
        await here.content(kept.id, "k")


async def test_the_folder_is_put_in_order(store: Store, tmp_path: Path):
    files = files_on(store, tmp_path / "files")
    kept, expired = await taken_in(files), await taken_in(files, keep_s=-1.0)
    orphan, half = files.path_of(NOBODYS), files.path_of(NOBODYS).with_suffix(".part")
    fresh = files.path_of("file-" + "1" * 32)
    for path in (orphan, half, fresh):
        path.write_bytes(b"x")
    old = SystemClock().wall() - STALE_S - 1
    for path in (orphan, half, files.path_of(kept.id), files.path_of(expired.id)):
        os.utime(path, (old, old))
    assert await files.tidy() == 3
    assert names_in(files) == {kept.id, fresh.name}
