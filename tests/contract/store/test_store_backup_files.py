"""What files hold, in a backup."""

import zipfile
from pathlib import Path

import pytest
from tests.contract.store.samples import NOON
from tests.contract.store.test_store_batches import a_file, new_batch

from remuda.store import Store, StoreError, open_store
from remuda.store.backup import backup, restore
from remuda.store.backup_files import Contents
from remuda.store.batches import add_batch, find_batch
from remuda.store.files import add_file, find_file


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    return folder(tmp_path / "before", "here")


def folder(path: Path, place: str) -> Contents:
    path.mkdir()
    return Contents(path, place)


async def fill(store: Store, contents: Contents) -> None:
    """A file that is there, one that is gone, one that lies elsewhere, and a batch."""
    (contents.folder / "file-1").write_bytes(b"one\n" + bytes(2_000_000))
    await add_file(store, a_file("file-1")._replace(place="here", size_bytes=2_000_004))
    await add_file(store, a_file("file-2")._replace(place="here"))
    await add_file(store, a_file("file-3")._replace(place="there"))
    assert await add_batch(store, new_batch("batch_1", "file-1"), NOON) is not None


async def test_contents_come_back_wherever_they_are_restored(
    store: Store, empty_url: str, contents: Contents, tmp_path: Path
):
    await fill(store, contents)
    file = tmp_path / "saved"
    summary = await backup(store, file, NOON, contents)
    assert (summary.contents, summary.contents_elsewhere) == (1, 2)
    after = folder(tmp_path / "after", "new")
    assert await restore(file, empty_url, contents=after) == summary
    assert (after.folder / "file-1").read_bytes() == (contents.folder / "file-1").read_bytes()
    assert [path.name for path in after.folder.iterdir()] == ["file-1"]
    restored = await open_store(empty_url)
    batch = await find_batch(restored, "batch_1")
    assert batch is not None
    places = [found.place for id_ in ("file-1", "file-3") if (found := await find_file(restored, id_, NOON))]
    assert [*places, batch.place] == ["new", "there", "new"]
    await restored.close()


async def test_without_a_folder_the_rest_is_backed_up(store: Store, empty_url: str, contents: Contents, tmp_path: Path):
    await fill(store, contents)
    summary = await backup(store, tmp_path / "saved", NOON)
    assert (summary.contents, summary.contents_elsewhere) == (0, 0)
    await restore(tmp_path / "saved", empty_url, contents=contents)
    restored = await open_store(empty_url)
    assert await find_file(restored, "file-1", NOON) is not None
    await restored.close()


async def test_a_backup_whose_contents_are_damaged_changes_nothing(
    store: Store, empty_url: str, contents: Contents, tmp_path: Path
):
    await fill(store, contents)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    await backup(store, whole, NOON, contents)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(broken, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data[:-1] if name == "files/file-1" else data)
    after = folder(tmp_path / "after", "new")
    with pytest.raises(StoreError, match="file-1 is not whole"):
        await restore(broken, empty_url, contents=after)
    assert list(after.folder.iterdir()) == []


async def test_a_folder_that_cannot_be_written(store: Store, empty_url: str, contents: Contents, tmp_path: Path):
    await fill(store, contents)
    await backup(store, tmp_path / "saved", NOON, contents)
    with pytest.raises(StoreError, match="cannot write into"):
        await restore(tmp_path / "saved", empty_url, contents=Contents(tmp_path / "nowhere", "new"))
    restored = await open_store(empty_url)
    assert await find_file(restored, "file-1", NOON) is None
    await restored.close()
