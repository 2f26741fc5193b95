import asyncio
from typing import Any

from remuda.gateway.drive import Drive


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
