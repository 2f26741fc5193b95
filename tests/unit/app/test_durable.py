"""How many tasks may begin."""

from pathlib import Path

import pytest

from remuda.core.task import NewTask
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import running_gateway


@pytest.mark.parametrize(
    ("slots", "in_use", "free", "room"),
    [(4, 0, 0, 4), (4, 3, 0, 1), (4, 4, 0, 0), (4, 0, 2, 2), (4, 2, 2, 0), (1, 0, 5, 1), (1, 1, 5, 0), (4, 0, 9, 1)],
)
async def test_room(slots: int, in_use: int, free: int, room: int, tmp_path: Path) -> None:
    async with (
        FakeUpstream() as fake,
        running_gateway(
            tmp_path, upstreams=[{"url": fake.url, "slots": slots}], tasks={"free_slots": free, "workers": 0}
        ) as gateway,
    ):
        remuda = gateway.remuda
        await gateway.until(lambda: remuda.fleet.look_up("fake") is not None, "it is known")
        [replica] = remuda.fleet.replicas()
        await gateway.until(lambda: replica.is_routable, "it is active")
        replica.slots.in_use = in_use
        assert remuda.durable.room("fake") == room
        replica.slots.in_use = 0
        assert remuda.durable.room("nobody knows it") == 1


async def test_batches_are_fed_while_more_tasks_may_wait(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, tasks={"max_waiting_per_key": 1, "workers": 0}) as gateway:
        durable = gateway.remuda.durable
        assert await durable._has_room("")
        await durable.queue.submit(NewTask("t", "", "tasks", "/v1/chat/completions", "m", b"{}"))
        assert not await durable._has_room("")
        assert await durable._has_room("another key")
