import asyncio
from typing import Any

import pytest

from remuda.gateway.drive import Drive, Signal


async def test_it_begins_at_once_and_goes_on_with_the_future_it_waits_for() -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[int] = loop.create_future()
    ended = asyncio.Event()
    steps: list[Any] = []

    async def work() -> None:
        steps.append("begun")
        steps.append(await future)
        ended.set()

    Drive(work(), loop)
    assert steps == ["begun"]
    future.set_result(7)
    await ended.wait()
    assert steps == ["begun", 7]


async def test_cancelling_raises_where_it_waits_and_lets_it_unwind() -> None:
    loop = asyncio.get_running_loop()
    forever: asyncio.Future[None] = loop.create_future()
    ended = asyncio.Event()
    steps: list[str] = []

    async def work() -> None:
        try:
            await forever
        except asyncio.CancelledError:
            steps.append("cancelled")
            await asyncio.ensure_future(asyncio.sleep(0))
            steps.append("unwound")
        ended.set()

    drive = Drive(work(), loop)
    drive.cancel()
    drive.cancel()
    assert steps == []
    await ended.wait()
    assert steps == ["cancelled", "unwound"]
    assert forever.cancelled()


async def test_a_future_that_is_done_in_the_moment_of_cancelling_counts_as_cancelled() -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str] = loop.create_future()
    ended = asyncio.Event()
    steps: list[str] = []

    async def work() -> None:
        try:
            steps.append(await future)
        except asyncio.CancelledError:
            steps.append("cancelled")
        ended.set()

    drive = Drive(work(), loop)
    future.set_result("done")
    drive.cancel()
    await ended.wait()
    assert steps == ["cancelled"]


async def test_cancelled_while_it_runs_it_ends_at_its_next_wait() -> None:
    loop = asyncio.get_running_loop()
    drives: list[Drive] = []
    first: asyncio.Future[None] = loop.create_future()
    ended = asyncio.Event()
    steps: list[str] = []

    async def work() -> None:
        await first
        drives[0].cancel()
        try:
            await loop.create_future()
        except asyncio.CancelledError:
            steps.append("cancelled")
        ended.set()

    drives.append(Drive(work(), loop))
    first.set_result(None)
    await ended.wait()
    assert steps == ["cancelled"]


async def test_what_escapes_goes_to_the_loop() -> None:
    loop = asyncio.get_running_loop()
    seen: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: seen.append(context))

    async def work() -> None:
        raise ValueError("no")

    Drive(work(), loop)
    assert isinstance(seen[0]["exception"], ValueError)


async def test_a_signal_wakes_a_drive_within_the_call_that_sets_it() -> None:
    signal = Signal()
    steps: list[str] = []

    async def work() -> None:
        await signal
        steps.append("woken")
        try:
            await late
        except ValueError:
            steps.append("failed")

    late = Signal()
    drive = Drive(work(), asyncio.get_running_loop())
    signal.set()
    assert steps == ["woken"]
    late.set(ValueError())
    late.set()
    assert steps == ["woken", "failed"]
    assert drive.is_over


async def test_a_signal_that_was_set_is_not_waited_for() -> None:
    signal = Signal()
    signal.set()
    drive = Drive(_wait_for(signal), asyncio.get_running_loop())
    assert drive.is_over


async def test_a_cancelled_drive_no_longer_listens_to_its_signal() -> None:
    signal = Signal()
    ended = asyncio.Event()
    steps: list[str] = []

    async def work() -> None:
        try:
            await signal
        except asyncio.CancelledError:
            steps.append("cancelled")
        ended.set()

    drive = Drive(work(), asyncio.get_running_loop())
    drive.cancel()
    signal.set()
    await ended.wait()
    assert steps == ["cancelled"]


@pytest.mark.parametrize("fault", [None, ValueError("no")])
async def test_a_task_may_await_a_signal(fault: Exception | None) -> None:
    signal = Signal()
    task = asyncio.ensure_future(_wait_for(signal))
    await asyncio.sleep(0)
    signal.set(fault)
    assert not task.done(), "tasks run at the loop's next turn, never inside somebody's callback"
    await asyncio.wait({task})
    assert task.exception() is fault


async def test_a_task_that_awaits_a_signal_can_be_cancelled() -> None:
    signal = Signal()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await signal


async def _wait_for(signal: Signal) -> None:
    await signal
