"""What a while's traffic comes to, on each kind of database."""

import random
from typing import Any

import pytest
from tests.contract.store.samples import NOON, a_record

from remuda.core.traffic import Load, Traffic, Window, merged
from remuda.store import Store
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.ledger import Ledger
from remuda.store.traffic import loads, prompt_beginnings, replica_traffic, slower_than

HOUR = Window(NOON, NOON + 3600, 1000)


async def keep(store: Store, *records: dict[str, Any]) -> None:
    store.ledger = Ledger(score=lambda record: 0.5)
    made = [a_record(number, **values) for number, values in enumerate(records)]
    await write_batches(store, [Batch("w", 1, made)], NOON, is_durable=True)


async def test_sums_by_replica(store: Store):
    usual = {"queue_wait_s": 0.5, "cost_nano": 3}
    await keep(
        store,
        usual,
        usual | {"temperature": 0.7, "is_truncated": True, "prompt_tokens": 600},
        usual | {"fault": "engine_down", "status": 503},
        usual | {"is_streamed": False, "queue_wait_s": 1.5, "ttft_s": None},
        {"replica": "other"},
        {"model": "m", "replica": ""},
        # None of it:
        {"operation": "embedding"},
        {"dialect": "comparisons"},
        {"model": ""},
        {"started_at": NOON - 1},
        {"started_at": NOON + 3600},
    )
    found = {(each.model, each.replica): each.traffic for each in await replica_traffic(store, HOUR)}
    assert set(found) == {("remuda-tiny", "local/remuda-tiny"), ("remuda-tiny", "other"), ("m", "")}
    traffic = found["remuda-tiny", "local/remuda-tiny"]
    assert traffic == Traffic(
        requests=4,
        failed=1,
        latency_s=4.5,
        score=2.0,
        temperatures=1,
        temperature=pytest.approx(0.7),
        streams=2,
        ttft_s=0.5,
        prompt_tokens=624,
        cached_tokens=15,
        completion_tokens=102,
        work_s=2.0,
        long=1,
        excess_tokens=134,
        waited=1,
        wait_s=3.0,
        truncated=1,
        cost_nano=12,
    )
    assert all(type(value) is kind for value, kind in zip(traffic, Traffic.__annotations__.values(), strict=True))


async def test_sums_are_those_of_the_records(store: Store):
    dice = random.Random(7)
    records = [
        a_record(
            number,
            model=dice.choice("ab"),
            replica=dice.choice(["", "1", "2"]),
            status=dice.choice([200, 200, 404]),
            is_streamed=dice.random() < 0.5,
            ttft_s=dice.choice([None, dice.random()]),
            temperature=dice.choice([None, dice.random()]),
            prompt_tokens=dice.randrange(1000),
            completion_tokens=dice.randrange(1000),
            queue_wait_s=2 * dice.random(),
            is_truncated=dice.random() < 0.1,
            cost_nano=dice.randrange(10**12),
        )
        for number in range(300)
    ]
    await write_batches(store, [Batch("w", 1, records)], NOON, is_durable=True)
    found = merged(each.traffic for each in await replica_traffic(store, HOUR))
    well = [record for record in records if record.status < 400]
    streams = [record.ttft_s for record in well if record.is_streamed and record.ttft_s is not None]
    told = [record.temperature for record in records if record.temperature is not None]
    sizes = [record.prompt_tokens + record.completion_tokens for record in well]
    assert found == Traffic(
        requests=300,
        failed=300 - len(well),
        latency_s=pytest.approx(sum(record.duration_s for record in well)),
        score=0.0,
        temperatures=len(told),
        temperature=pytest.approx(sum(told)),
        streams=len(streams),
        ttft_s=pytest.approx(sum(streams)),
        prompt_tokens=sum(record.prompt_tokens for record in well),
        cached_tokens=sum(record.cached_tokens for record in well),
        completion_tokens=sum(record.completion_tokens for record in well),
        work_s=pytest.approx(sum(record.duration_s - record.queue_wait_s for record in well)),
        long=sum(size > 500 for size in sizes),
        excess_tokens=sum(max(0, size - 500) for size in sizes),
        waited=sum(record.queue_wait_s > 1 for record in records),
        wait_s=pytest.approx(sum(record.queue_wait_s for record in records)),
        truncated=sum(record.is_truncated for record in records),
        cost_nano=sum(record.cost_nano for record in records),
    )


async def test_the_newest_of_too_many(store: Store):
    await keep(store, {"replica": "old"}, {"replica": "new"})
    (only,) = await replica_traffic(store, HOUR._replace(most=1))
    assert (only.replica, only.first_at) == ("new", NOON + 1)


async def test_who_is_slower(store: Store):
    await keep(store, {"duration_s": 1.0}, {"duration_s": 2.0}, {"duration_s": 4.0}, {"duration_s": 9.0, "status": 500})
    assert await slower_than(store, HOUR, 1.5) == (2, 6.0)
    assert await slower_than(store, HOUR, 10.0) == (0, 0.0)


async def test_how_many_at_once(store: Store):
    at = {"queue_wait_s": 0.0}
    await keep(
        store,
        at | {"started_at": NOON, "duration_s": 10.0},
        at | {"started_at": NOON + 5, "duration_s": 10.0},
        # Waits until the first has ended, and takes its slot.
        {"started_at": NOON + 6, "queue_wait_s": 4.0, "duration_s": 10.0},
        at | {"started_at": NOON + 600, "duration_s": 300.0, "replica": "other"},
        at | {"replica": ""},
    )
    found = await loads(store, HOUR)
    assert found == {"local/remuda-tiny": Load(2, pytest.approx(26 / 300)), "other": Load(1, pytest.approx(1.0))}


async def test_how_prompts_begin(store: Store):
    await keep(
        store,
        {"prompt_text": "user: first"},
        {"prompt_text": "user: second", "replica": "other"},
        {"prompt_text": "x" * 40},
        {"prompt_text": "failed", "fault": "bad"},
        {"prompt_text": None, "answer_text": "said"},
        {"prompt_text": "compared", "dialect": "comparisons"},
        {"prompt_text": "old", "started_at": NOON - 1},
    )
    found = await prompt_beginnings(store, HOUR, chars=7, most=10, cut_chars=40)
    assert [tuple(each) for each in found] == [
        ("remuda-tiny", "other", "user: s", 12, 12, 5),
        ("remuda-tiny", "local/remuda-tiny", "user: f", 11, 12, 5),
    ]
    assert len(await prompt_beginnings(store, HOUR, chars=7, most=1, cut_chars=40)) == 1
