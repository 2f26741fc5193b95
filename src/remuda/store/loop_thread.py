"""An event loop in a thread of its own, for work that computes between its waits."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Begins with the first work. Whoever gives it any closes it."""

    def __init__(self, name: str, at_end: Callable[[], Awaitable[None]]) -> None:
        """`at_end` lets go of what belongs to the event loop; it is awaited there, after all work."""
        self._name = name
        self._at_end = at_end
        self._end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._is_closed = False

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns or raises. Whoever is cancelled meanwhile does not wait until it is cancelled over there
        too. Raises RuntimeError once this is closed."""
        if self._is_closed:
            work.close()
            raise RuntimeError(f"{self._name} is closed")
        loop = self._loop or self._begin()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

    async def close(self) -> None:
        """End when all work that has begun is over."""
        was_closed, self._is_closed = self._is_closed, True
        if self._loop is not None and self._thread is not None and not was_closed:
            self._loop.call_soon_threadsafe(self._end.set)
            await asyncio.to_thread(self._thread.join)

    def _begin(self) -> asyncio.AbstractEventLoop:
        # Of the same kind as the caller's: uvloop's takes two thirds of the time of asyncio's own.
        runner = asyncio.Runner(loop_factory=type(asyncio.get_running_loop()))
        self._loop = runner.get_loop()  # here: two threads would make two
        self._thread = Thread(target=self._serve, args=(runner,), name=self._name, daemon=True)
        self._thread.start()
        return self._loop

    def _serve(self, runner: asyncio.Runner) -> None:
        with runner:
            runner.run(self._until_closed())

    async def _until_closed(self) -> None:
        await self._end.wait()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)
        await self._at_end()
