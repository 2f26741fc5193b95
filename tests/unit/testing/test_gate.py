"""The gate: answers wait at the place where it is held, and nowhere else."""

import asyncio

import pytest

from remuda.testing.gate import Gate


async def test_an_open_gate_and_another_place_let_pass() -> None:
    gate = Gate()
    await gate.passing(None)
    gate.hold(after_chunks=2)
    await gate.passing(None)
    await gate.passing(1)


async def test_those_held_go_on_together_on_release() -> None:
    gate = Gate()
    gate.hold()
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(gate.passing(None))
        await gate.reached(3)
        gate.release()
    assert gate.waiting == 0


async def test_waiting_in_vain_tells_what_for() -> None:
    with pytest.raises(TimeoutError, match="2 answers at the gate"):
        await Gate().reached(2, within_s=0.01)
