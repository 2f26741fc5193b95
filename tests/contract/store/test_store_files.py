"""What is known of files, on each kind of database."""

from tests.contract.store.samples import NOON
from tests.contract.store.test_store_batches import a_file, new_batch

from remuda.store import Store
from remuda.store.batches import add_batch, fail_batch
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

DAY = 86_400.0


async def test_a_file_is_found_until_its_time_is_over(store: Store):
    kept = await add_file(store, a_file("file-1", expires_at=NOON + DAY))
    assert kept.expires_at is not None
    assert kept.expires_at - kept.created_at == DAY
    assert await find_file(store, "file-1", NOON) == kept
    assert await find_file(store, "file-2", NOON) is None
    gone = await add_file(store, a_file("file-3", expires_at=NOON - 1))
    assert gone.expires_at == gone.created_at - 1
    assert await find_file(store, "file-3", NOON) is None
    assert await forget_expired(store, NOON) == 1
    assert [file.id for file in await file_page(store, None, None, 10, None, is_ascending=True)] == ["file-1"]


async def test_pages(store: Store):
    for number in range(6):
        await add_file(store, a_file(f"file-{number}", key_id="k" if number < 4 else "other", purpose=f"p{number % 2}"))
    everybodys = await file_page(store, None, None, 3, None, is_ascending=False)
    assert [file.id for file in everybodys] == ["file-5", "file-4", "file-3"]
    rest = await file_page(store, None, None, 10, "file-3", is_ascending=False)
    assert [file.id for file in rest] == ["file-2", "file-1", "file-0"]
    own = await file_page(store, "k", "p1", 10, None, is_ascending=True)
    assert [file.id for file in own] == ["file-1", "file-3"]
    assert [file.id for file in await file_page(store, "k", None, 10, "file-1", is_ascending=True)] == [
        "file-2",
        "file-3",
    ]
    assert await file_page(store, "k", None, 10, "file-99", is_ascending=True) == []


async def test_a_file_that_a_batch_reads_stays(store: Store):
    await add_file(store, a_file("file-1", expires_at=NOON - 1))
    await add_batch(store, new_batch("batch_1", "file-1"), NOON)
    assert not await forget_file(store, "file-1")
    assert await forget_expired(store, NOON) == 0
    await fail_batch(store, "batch_1", [], NOON)
    assert await forget_file(store, "file-1")
    assert await forget_file(store, "file-1")


async def test_what_a_folder_holds(store: Store):
    assert await bytes_kept(store, "here") == 0
    await add_file(store, a_file("file-1"))
    await add_file(store, a_file("file-2", place="elsewhere"))
    assert await bytes_kept(store, "here") == 100 + LEAST_BYTES
    await add_batch(store, new_batch("batch_1", "file-1"), NOON)
    looked_up = ["file-1", "file-3", "batch_1-out", "batch_1-err"]
    assert await wanted_files(store, looked_up) == {"file-1", "batch_1-out", "batch_1-err"}
    await fail_batch(store, "batch_1", [], NOON)
    assert await wanted_files(store, looked_up) == {"file-1"}
