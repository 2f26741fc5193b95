"""Batches, made and looked up, on a real store and disk."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.core.batch import BatchState
from remuda.core.clock import SystemClock
from remuda.core.faults import InvalidRequest, RateLimited, Taken, Unavailable, UnknownBatch, UnknownFile
from remuda.core.ids import random_ids
from remuda.jobs.batches import BatchBounds, Batches
from remuda.store import Store, open_store, store_url_in
from remuda.store.batches import fail_batch
from tests.unit.jobs.batch_rig import URL, Rig, a_line, jsonl


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
def rig(store: Store, tmp_path: Path) -> Rig:
    return Rig(store, tmp_path / "files", SystemClock())


async def create(batches: Batches, file_id: str, key_id: str = "k") -> str:
    batch = await batches.create(URL, file_id, key_id=key_id, sees=key_id, metadata=None, output_keep_s=None)
    return batch.id


async def test_whose_it_is(rig: Rig) -> None:
    id_ = await rig.create(jsonl([a_line(1)]))
    assert (await rig.batches.find(id_, "k")).id == id_
    assert (await rig.batches.find(id_, None)).id == id_
    for key_id, which in (("other", id_), ("k", "batch_x"), (None, "")):
        with pytest.raises(UnknownBatch):
            await rig.batches.find(which, key_id)
        with pytest.raises(UnknownBatch):
            await rig.batches.cancel(which, key_id)
        with pytest.raises(UnknownBatch):
            await rig.batches.page(key_id, 10, which)
    with pytest.raises(UnknownFile):
        await create(rig.batches, (await rig.batch(id_)).input_file_id, "other")


async def test_the_same_idempotency_key_is_the_same_batch(rig: Rig) -> None:
    file_id = (await rig.batch(await rig.create(jsonl([a_line(1)])))).input_file_id

    async def made(key_id: str, key: str | None) -> str:
        batch = await rig.batches.create(
            URL, file_id, key_id=key_id, sees=None, metadata=None, output_keep_s=None, idempotency_key=key
        )
        return batch.id

    same = await asyncio.gather(*(made("k", "once") for _ in range(5)))
    assert len(set(same)) == 1
    assert len({same[0], await made("k", "twice"), await made("other", "once"), await made("k", None)}) == 4
    await rig.batches.cancel(same[0], "k")
    assert await made("k", "once") == same[0]


async def test_pages(rig: Rig) -> None:
    ids = [await rig.create(jsonl([a_line(1)])) for _ in range(3)]
    assert [batch.id for batch in await rig.batches.page("k", 2, None)] == ids[:0:-1]
    assert [batch.id for batch in await rig.batches.page(None, 10, ids[1])] == ids[:1]
    assert await rig.batches.page("other", 10, None) == []


async def test_files_that_will_not_do(rig: Rig, tmp_path: Path) -> None:
    receiving = await rig.files.receive()
    output = await receiving.keep(key_id="k", purpose="batch_output", filename="x", keep_s=None)
    with pytest.raises(InvalidRequest, match="batch_output"):
        await create(rig.batches, output.id)
    receiving = await rig.files.receive()
    deleted = await receiving.keep(key_id="k", purpose="batch", filename="x", keep_s=None)
    await rig.files.delete(deleted.id, "k")
    with pytest.raises(UnknownFile):
        await create(rig.batches, deleted.id)
    elsewhere = Rig(rig.store, tmp_path / "others", SystemClock())
    id_ = await elsewhere.create(jsonl([a_line(1)]))
    with pytest.raises(Unavailable, match="another gateway"):
        await create(rig.batches, (await rig.batch(id_)).input_file_id)


async def test_how_many_may_be_open(rig: Rig) -> None:
    batches = Batches(rig.store, rig.files, SystemClock(), random_ids(), BatchBounds(open_per_key=1))
    id_ = await rig.create(jsonl([a_line(1)]))
    file_id = (await rig.batch(id_)).input_file_id
    with pytest.raises(RateLimited):
        await create(batches, file_id)
    await fail_batch(rig.store, id_, [], 0.0)
    await create(batches, file_id)


async def test_cancelling(rig: Rig) -> None:
    woken: list[str] = []
    batches = Batches(rig.store, rig.files, SystemClock(), random_ids(), wake=woken.append)
    id_ = await rig.create(jsonl([a_line(1)]))
    assert (await batches.cancel(id_, "k")).state is BatchState.CANCELLING
    assert (await batches.cancel(id_, "k")).state is BatchState.CANCELLING
    assert woken == [id_, id_]
    assert await rig.turn(id_) is None
    with pytest.raises(Taken, match="cancelled"):
        await batches.cancel(id_, "k")
