"""Batches, made and moved on, on each kind of database."""

from typing import Any

import pytest
from tests.contract.store.samples import NOON

from remuda.core.batch import Batch, BatchState, LineError, NewBatch, StoredFile
from remuda.store import Store, StoreRefused
from remuda.store.batches import (
    add_batch,
    batch_page,
    begin_batch,
    cancel_batch,
    count_open,
    end_batch,
    fail_batch,
    find_batch,
    forget_batches,
    open_batches,
)
from remuda.store.files import add_file


def a_file(id_: str, **values: Any) -> StoredFile:
    usual = {
        "key_id": "k",
        "purpose": "batch",
        "filename": "in.jsonl",
        "size_bytes": 100,
        "created_at": NOON,
        "expires_at": None,
        "place": "here",
    }
    return StoredFile(id=id_, **{**usual, **values})


def new_batch(id_: str, input_file_id: str, **values: Any) -> NewBatch:
    usual = {"key_id": "k", "endpoint": "/p", "window_s": 60.0, "metadata": None}
    names = {"output_file_id": f"{id_}-out", "error_file_id": f"{id_}-err"}
    return NewBatch(id=id_, input_file_id=input_file_id, **{**usual, **names, **values})


async def batch_in(store: Store, id_: str = "batch_1", **values: Any) -> Batch:
    await add_file(store, a_file(f"file-of-{id_}"))
    batch = await add_batch(store, new_batch(id_, f"file-of-{id_}", **values), NOON)
    assert batch is not None
    return batch


async def test_what_is_made_is_there(store: Store):
    made = await batch_in(store, metadata={"a": "b"}, output_keep_s=5.0)
    assert await find_batch(store, "batch_1") == made
    assert (made.state, made.ending, made.metadata, made.errors) == (BatchState.VALIDATING, None, {"a": "b"}, [])
    assert (made.place, made.input_bytes, made.total, made.fed_bytes) == ("here", 100, 0, 0)
    assert made.expires_at == made.created_at + 60
    assert (made.output_keep_s, made.in_progress_at, made.ended_at) == (5.0, None, None)
    assert await find_batch(store, "batch_2") is None
    assert await add_batch(store, new_batch("batch_2", "no file"), NOON) is None
    with pytest.raises(StoreRefused):
        await batch_in(store, "batch_3", metadata={"a": "\x00"})


async def test_pages_and_what_is_open(store: Store):
    for number in range(4):
        await batch_in(store, f"batch_{number}", key_id="k" if number else "other")
    assert [batch.id for batch in await batch_page(store, None, 2, None)] == ["batch_3", "batch_2"]
    assert [batch.id for batch in await batch_page(store, "k", 10, "batch_2")] == ["batch_1"]
    assert await count_open(store, "k") == 3
    await fail_batch(store, "batch_2", [], NOON)
    assert await count_open(store, "k") == 2
    assert [batch.id for batch in await open_batches(store, "here")] == ["batch_0", "batch_1", "batch_3"]
    assert await open_batches(store, "elsewhere") == []


async def test_the_way_of_one_that_is_answered(store: Store):
    await batch_in(store)
    assert not await end_batch(store, "batch_1", BatchState.COMPLETED, NOON)
    assert await begin_batch(store, "batch_1", 7, NOON)
    assert not await begin_batch(store, "batch_1", 8, NOON)
    assert await end_batch(store, "batch_1", BatchState.EXPIRED, NOON)
    assert not await end_batch(store, "batch_1", BatchState.COMPLETED, NOON)
    batch = await find_batch(store, "batch_1")
    assert batch is not None
    assert (batch.state, batch.ending, batch.total) == (BatchState.FINALIZING, BatchState.EXPIRED, 7)
    assert batch.in_progress_at is not None
    assert batch.finalizing_at is not None


async def test_one_whose_file_is_wrong(store: Store):
    await batch_in(store)
    errors = [LineError("code", "message \x00", 3, "body"), LineError("other", "whole file")]
    assert await fail_batch(store, "batch_1", errors, NOON)
    batch = await find_batch(store, "batch_1")
    assert batch is not None
    assert batch.state is BatchState.FAILED
    assert batch.errors == [LineError("code", "message ?", 3, "body"), errors[1]]
    assert batch.ended_at is not None


async def test_cancelling(store: Store):
    assert await cancel_batch(store, "batch_1", NOON) is None
    await batch_in(store)
    batch = await cancel_batch(store, "batch_1", NOON)
    assert batch is not None
    assert (batch.state, batch.ending) == (BatchState.CANCELLING, BatchState.CANCELLED)
    assert not await begin_batch(store, "batch_1", 1, NOON)
    assert not await fail_batch(store, "batch_1", [], NOON)
    assert await cancel_batch(store, "batch_1", NOON) == batch
    await batch_in(store, "batch_2")
    await fail_batch(store, "batch_2", [], NOON)
    over = await cancel_batch(store, "batch_2", NOON)
    assert over is not None
    assert over.state is BatchState.FAILED


async def test_what_was_over_for_long_is_forgotten(store: Store):
    await batch_in(store)
    await batch_in(store, "batch_2")
    await fail_batch(store, "batch_1", [], NOON)
    assert await forget_batches(store, NOON, 1e6) == 0
    assert await forget_batches(store, NOON, -1.0) == 1
    assert await find_batch(store, "batch_1") is None
    assert await find_batch(store, "batch_2") is not None
