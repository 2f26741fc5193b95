"""Batches on a real store and disk, with a worker that answers what it is told to."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from remuda.core.batch import Batch
from remuda.core.clock import Clock
from remuda.core.ids import random_ids
from remuda.core.task import Claim, Ending, TaskState
from remuda.jobs.batch_turns import BatchRules, BatchTurns
from remuda.jobs.batches import BatchBounds, Batches
from remuda.jobs.files import FileBounds, Files
from remuda.store import Store
from remuda.store.batches import find_batch
from remuda.store.task_claims import claim_tasks, finish_tasks

URL = "/v1/chat/completions"


def a_line(number: int, **values: Any) -> dict[str, Any]:
    return {"custom_id": f"c{number}", "method": "POST", "url": URL, "body": {"model": "m", "n": number}} | values


def jsonl(lines: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


class Rig:
    """All that a batch needs but a gateway."""

    def __init__(self, store: Store, folder: Path, clock: Clock, **rules: Any) -> None:
        self.store = store
        self.clock = clock
        self.files = Files(store, folder, clock, random_ids(), FileBounds())
        self.files.open()
        self.batches = Batches(store, self.files, clock, random_ids(), BatchBounds(open_per_key=50, window_s=60.0))
        self.has_room = True
        self.stopped: list[str] = []
        self.turns = BatchTurns(
            store,
            self.files,
            clock,
            random_ids(),
            BatchRules(**rules),
            fed=lambda: None,
            cancelled=self.stopped.append,
            has_room=self._has_room,
        )

    async def _has_room(self, key_id: str) -> bool:
        return self.has_room

    async def create(self, content: bytes, key_id: str = "k") -> str:
        receiving = await self.files.receive()
        await receiving.write(content)
        file = await receiving.keep(key_id=key_id, purpose="batch", filename="in", keep_s=None)
        batch = await self.batches.create(URL, file.id, key_id=key_id, sees=key_id, metadata=None, output_keep_s=None)
        return batch.id

    async def batch(self, id_: str) -> Batch:
        found = await find_batch(self.store, id_)
        assert found is not None
        return found

    async def turn(self, id_: str, times: int = 1) -> float | None:
        """So many turns; what the last one said."""
        said: float | None = 0.0
        for _ in range(times):
            said = await self.turns.turn(id_, lambda: True)
        return said

    async def claim(self, most: int = 1000) -> list[Claim]:
        return await claim_tasks(self.store, "w", "m", most, self.clock.wall(), 60.0)

    async def answer(
        self, claims: Iterable[Claim], state: TaskState = TaskState.COMPLETED, result: bytes = b'{"well":true}'
    ) -> None:
        status = 200 if state is TaskState.COMPLETED else 400
        ends = [(claim, Ending(state, result, None, status, "" if status == 200 else "bad")) for claim in claims]
        await finish_tasks(self.store, ends, self.clock.wall(), 0.0)

    async def to_the_end(self, id_: str, answer: Callable[[Claim], TaskState] = lambda _: TaskState.COMPLETED) -> int:
        """Turns until it is over, with all that waits answered after each; how many lines that were."""
        answered = 0
        while await self.turn(id_) is not None:
            claims = await self.claim()
            answered += len(claims)
            for claim in claims:
                await self.answer([claim], answer(claim))
        return answered

    def lines_of(self, file_id: str) -> list[Any]:
        return [json.loads(line) for line in self.files.path_of(file_id).read_bytes().splitlines()]
