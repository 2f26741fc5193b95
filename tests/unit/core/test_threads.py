"""Work in threads."""

import asyncio
import threading

import pytest

from remuda.core.threads import gently, in_thread


async def test_what_it_brings():
    assert await in_thread(int, "7") == 7
    with pytest.raises(ValueError, match="invalid literal"):
        await in_thread(int, "x")


async def test_who_is_cancelled_waits_for_its_end():
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait()
        ended.set()

    task = asyncio.get_running_loop().create_task(in_thread(work))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


def test_gently_all_come_in_their_order():
    assert list(gently(range(10), 3)) == list(range(10))
