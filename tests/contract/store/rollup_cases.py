"""Requests of many kinds, and what they must come to."""

import random
from collections.abc import Sequence
from typing import Any

from tests.contract.store.samples import NOON, a_record

from remuda.core.record import RequestRecord
from remuda.core.tally import Tally, one_of
from remuda.store import Store
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.ledger import Ledger
from remuda.store.rollups import next_step, note_in_rollups, rows_of, take_step

LEDGER = Ledger(score=lambda record: round(record.duration_s % 1, 4), hooks=(note_in_rollups,))


def some_records(seed: int, count: int, start: float, span_s: float) -> list[RequestRecord]:
    """Requests of a few models, replicas, keys and users, good and bad, in no order."""
    chance = random.Random(seed)
    return [
        a_record(
            number,
            started_at=start + chance.random() * span_s,
            model=chance.choice(["a", "b", "c", ""]),
            replica=chance.choice(["r1", "r2"]),
            key_id=chance.choice(["", "k1", "k2"]),
            user_id=chance.choice(["", "u1", "u2", "u3", "u4", "u5"]),
            status=chance.choice([200, 200, 200, 502]),
            is_streamed=chance.random() < 0.5,
            is_truncated=chance.random() < 0.1,
            ttft_s=None if chance.random() < 0.3 else chance.random(),
            duration_s=chance.lognormvariate(0, 1),
            queue_wait_s=chance.random() / 10,
            prompt_tokens=chance.randrange(2000),
            completion_tokens=chance.choice([0, 1, 200]),
            cost_nano=chance.randrange(10**9),
            electricity_nano=chance.randrange(10**6),
            energy_j=None if chance.random() < 0.5 else chance.random() * 100,
        )
        for number in range(count)
    ]


async def add(store: Store, records: Sequence[RequestRecord], number: int, writer: str = "w") -> None:
    """Have the records written as one batch."""
    store.ledger = LEDGER
    await write_batches(store, [Batch(writer, number, records)], NOON, is_durable=False)


async def roll_up(store: Store, now: float) -> int:
    """Roll up all that is due at `now`; the number of steps."""
    steps = 0
    while (step := await next_step(store, now)) is not None:
        assert await take_step(store, step, rows_of(step))
        steps += 1
    return steps


def expected(records: Sequence[RequestRecord], start: float, end: float, **fields: Any) -> Tally:
    """What those of the records come to that started in the span and have these fields."""
    chosen = [
        one_of(record, LEDGER.score(record))
        for record in records
        if start <= record.started_at < end and all(getattr(record, name) == value for name, value in fields.items())
    ]
    return Tally.of(chosen) if chosen else Tally()
