"""The store in one file: taken while it works, restored on the same kind of database and on the other."""

import asyncio
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy.util import await_only
from tests.contract.store.samples import NOON, a_key, a_record
from tests.contract.store.test_store_tasks import new

from remuda.core.node import Node
from remuda.store import Store, StoreError, StoreTooNew, keys, open_store
from remuda.store.backup import backup, restore
from remuda.store.deliveries import deliveries_of
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.journal_reading import JournalFilter, journal_entry, journal_page
from remuda.store.known_models import note_models
from remuda.store.leases import take_lease
from remuda.store.nodes import add_node, list_nodes
from remuda.store.schema import metadata
from remuda.store.tasks import TaskFilter, cancel_task, submit_tasks, task_page


async def fill(store: Store) -> None:
    await keys.create_key(store, a_key("one", expires_at=NOON + 5))
    await keys.create_key(store, a_key("two"))
    await keys.revoke_key(store, "key_two", NOON + 1)
    records = [a_record(number, ttft_s=None) for number in range(50)] + [
        a_record(50, prompt_text="¿qué? \n 🦙", decisions="[{}]")
    ]
    await write_batches(store, [Batch("writer", 3, records)], NOON, is_durable=True)


async def content(store: Store):
    page = await journal_page(store, JournalFilter(), limit=1000)
    return await keys.list_keys(store), page, await journal_entry(store, 51)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "remuda.backup"


async def test_what_was_backed_up_comes_back_on_either_database(store: Store, empty_url: str, file: Path):
    await fill(store)
    summary = await backup(store, file, NOON + 9)
    assert (summary.rows["keys"], summary.rows["journal"], summary.rows["journal_content"]) == (2, 51, 1)
    assert await restore(file, empty_url) == summary
    restored = await open_store(empty_url)
    assert await content(restored) == await content(store)
    # The journal goes on where it was: ids are not used twice, batches that were in are known.
    assert await write_batches(restored, [Batch("writer", 3, [a_record(0)])], NOON, is_durable=True) == 0
    assert await write_batches(restored, [Batch("writer", 4, [a_record(51)])], NOON, is_durable=True) == 1
    assert (await journal_page(restored, JournalFilter(), limit=1)).entries[0].id == 52
    await restored.close()


async def test_a_backup_is_one_state_and_for_its_owner_alone(store: Store, store_url: str, file: Path):
    await fill(store)
    other = await open_store(store_url)
    meanwhile = 0

    async def work() -> None:
        nonlocal meanwhile
        meanwhile += 1
        await keys.create_key(other, a_key(f"late{meanwhile}"))
        batch = Batch("another", meanwhile, [a_record(0, prompt_text="late")])
        await write_batches(other, [batch], NOON, is_durable=False)

    loop = asyncio.get_running_loop()

    def work_on(rows: int) -> None:
        """While a table is written, the gateway goes on."""
        if store.is_sqlite:  # in a thread
            asyncio.run_coroutine_threadsafe(work(), loop).result()
        else:
            await_only(work())

    summary = await backup(store, file, NOON, on_rows=work_on)
    await other.close()
    assert meanwhile > 1
    filled = {
        "alert_rules": 3, "counters": 3, "journal": 51, "journal_content": 1, "journal_writers": 1, "keys": 2,
        "rollup_marks": 4,
    }  # fmt: skip
    assert summary.rows == dict.fromkeys(metadata.tables, 0) | filled
    assert (await asyncio.to_thread(file.stat)).st_mode & 0o777 == 0o600


async def test_a_store_in_use_is_replaced_only_by_force_and_the_watchers_see_it(
    store: Store, store_url: str, file: Path
):
    await fill(store)
    await backup(store, file, NOON)
    await keys.create_key(store, a_key("three"))
    with pytest.raises(StoreError, match="holds something"):
        await restore(file, store_url)
    assert len(await keys.list_keys(store)) == 3
    before = await store.revision()
    await restore(file, store_url, force=True)
    assert [key.name for key in await keys.list_keys(store)] == ["one", "two"]
    assert await store.revision() > before


async def test_nodes_alone_are_replaced_only_by_force(store: Store, store_url: str, file: Path):
    await backup(store, file, NOON)
    await add_node(store, Node(id=0, name="gpu", url="http://10.0.0.5:8000"))
    with pytest.raises(StoreError, match="holds something"):
        await restore(file, store_url)
    assert len((await list_nodes(store))[1]) == 1
    await restore(file, store_url, force=True)
    assert (await list_nodes(store))[1] == []


async def test_what_a_gateway_keeps_by_itself_is_no_reason_not_to_restore(store: Store, store_url: str, file: Path):
    await backup(store, file, NOON)
    await note_models(store, "one", ["a"], NOON)
    await take_lease(store, "nodes", "me", NOON, 10)
    await restore(file, store_url)


async def test_a_backup_overwrites_nothing(store: Store, file: Path):
    await asyncio.to_thread(file.write_text, "mine")
    with pytest.raises(StoreError, match="exists: a backup overwrites nothing"):
        await backup(store, file, NOON)
    assert await asyncio.to_thread(file.read_text) == "mine"


async def test_a_backup_into_nowhere_leaves_nothing(store: Store, tmp_path: Path):
    with pytest.raises(StoreError, match="cannot write the backup"):
        await backup(store, tmp_path / "nowhere" / "file", NOON)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
async def test_a_backup_that_was_cut_off_is_refused_and_changes_nothing(
    store: Store, store_url: str, file: Path, share: float
):
    await fill(store)
    await backup(store, file, NOON)
    whole = await asyncio.to_thread(file.read_bytes)
    await asyncio.to_thread(file.write_bytes, whole[: int(len(whole) * share)])
    with pytest.raises(StoreError, match="damaged or cut off"):
        await restore(file, store_url, force=True)
    assert len(await keys.list_keys(store)) == 2


async def test_a_backup_with_a_changed_byte_is_refused_and_changes_nothing(store: Store, store_url: str, file: Path):
    await fill(store)
    await backup(store, file, NOON)

    def spoil() -> None:
        with zipfile.ZipFile(file) as archive:
            place = archive.getinfo("tables/journal.jsonl").header_offset + 200
        whole = bytearray(file.read_bytes())
        whole[place] ^= 0xFF
        file.write_bytes(whole)

    await asyncio.to_thread(spoil)
    with pytest.raises(StoreError, match="damaged"):
        await restore(file, store_url, force=True)
    assert len(await keys.list_keys(store)) == 2


def rewrite(file: Path, change) -> None:
    """The same backup with another manifest."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = msgspec.json.decode(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = msgspec.json.encode(manifest)
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


async def test_a_backup_of_a_newer_version_is_refused(store: Store, store_url: str, file: Path):
    await backup(store, file, NOON)
    await asyncio.to_thread(rewrite, file, lambda manifest: manifest.update(schema="9999"))
    with pytest.raises(StoreTooNew, match="version 9999, which is newer"):
        await restore(file, store_url, force=True)


async def test_missing_rows_are_noticed(store: Store, store_url: str, file: Path):
    await fill(store)
    await backup(store, file, NOON)
    await asyncio.to_thread(rewrite, file, lambda manifest: manifest["tables"]["keys"].update(rows=3))
    with pytest.raises(StoreError, match="table keys has 2 of 3 rows"):
        await restore(file, store_url, force=True)


async def test_a_table_without_its_columns_is_refused_and_changes_nothing(store: Store, store_url: str, file: Path):
    await fill(store)
    await backup(store, file, NOON)

    def damaged(manifest: Any) -> None:
        columns = manifest["tables"]["keys"]["columns"]
        columns[columns.index("name")] = "label"

    await asyncio.to_thread(rewrite, file, damaged)
    with pytest.raises(StoreError, match="table keys has no name"):
        await restore(file, store_url, force=True)
    assert len(await keys.list_keys(store)) == 2


async def test_a_file_that_is_missing_is_said_to_be(tmp_path: Path):
    with pytest.raises(StoreError, match="there is no backup"):
        await restore(tmp_path / "none", f"sqlite:///{tmp_path}/remuda.db")


async def test_tasks_come_back_and_go_on(store: Store, empty_url: str, file: Path):
    await submit_tasks(store, [new("a", webhook="http://h/"), new("b")], NOON)
    await cancel_task(store, "a", NOON, 60.0)
    await backup(store, file, NOON)
    await restore(file, empty_url)
    restored = await open_store(empty_url)
    assert [task.id for task in await task_page(restored, TaskFilter(), 9)] == ["b", "a"]
    await submit_tasks(restored, [new("c", webhook="http://h/")], NOON)
    await cancel_task(restored, "c", NOON, 60.0)
    seqs = [(await deliveries_of(restored, id_))[0].seq for id_ in ("a", "c")]
    assert seqs == sorted(set(seqs))
    assert [task.id for task in await task_page(restored, TaskFilter(), 9)] == ["c", "b", "a"]
    await restored.close()
