"""Work in a thread with an event loop of its own."""

import asyncio
import threading

import pytest

from remuda.store.loop_thread import LoopThread


async def nothing() -> None:
    """Lets go of nothing."""


async def where() -> str:
    return threading.current_thread().name


@pytest.fixture
async def thread():
    made = LoopThread("over-there", nothing)
    yield made
    await made.close()


async def test_work_runs_over_there_all_on_one_loop(thread: LoopThread):
    loops = {await thread.run(_loop()), await thread.run(_loop())}
    assert await thread.run(where()) == "over-there"
    assert len(loops) == 1
    assert asyncio.get_running_loop() not in loops


async def test_what_work_raises_is_raised_here(thread: LoopThread):
    with pytest.raises(ZeroDivisionError):
        await thread.run(_fail())


async def test_work_that_computes_does_not_hold_up_who_waits_for_it(thread: LoopThread):
    turn = threading.Event()

    async def compute() -> bool:
        return turn.wait(5)

    async with asyncio.TaskGroup() as group:
        computing = group.create_task(thread.run(compute()))
        await asyncio.sleep(0)
        turn.set()
    assert computing.result()


async def test_who_is_cancelled_cancels_the_work(thread: LoopThread):
    loop = asyncio.get_running_loop()
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        loop.call_soon_threadsafe(begun.set)
        try:
            await asyncio.Event().wait()
        finally:
            loop.call_soon_threadsafe(ended.set)

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(thread.run(wait()))
        await begun.wait()
        waiting.cancel()
    await ended.wait()


async def test_it_ends_after_all_that_has_begun():
    said = []
    begun = asyncio.Event()
    goes_on = threading.Event()
    loop = asyncio.get_running_loop()

    async def let_go() -> None:
        said.append(("let go", await where()))

    async def work() -> None:
        loop.call_soon_threadsafe(begun.set)
        await asyncio.to_thread(goes_on.wait)
        said.append(("worked", await where()))

    thread = LoopThread("over-there", let_go)
    async with asyncio.TaskGroup() as group:
        group.create_task(thread.run(work()))
        await begun.wait()
        group.create_task(thread.close())
        goes_on.set()
    assert said == [("worked", "over-there"), ("let go", "over-there")]
    await thread.close()
    with pytest.raises(RuntimeError, match="over-there is closed"):
        await thread.run(where())


async def test_one_that_never_began_is_just_closed():
    thread = LoopThread("over-there", nothing)
    await thread.close()
    with pytest.raises(RuntimeError, match="closed"):
        await thread.run(where())


async def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def _fail() -> None:
    raise ZeroDivisionError
