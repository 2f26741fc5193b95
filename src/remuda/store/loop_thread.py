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
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._thread: Thread | None = None
        self._end = asyncio.Event()
        self._is_closed = False

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns or raises. Whoever is cancelled meanwhile does not wait until it is cancelled over there
        too. Raises RuntimeError once this is closed."""
        if self._is_closed:
            work.close()
            raise RuntimeError(f"{self._name} is closed")
        loop = self._runner.get_loop()  # made here: both threads would make one
        if self._thread is None:
            self._thread = Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

    async def close(self) -> None:
        """End when all work that has begun is over."""
        thread = None if self._is_closed else self._thread
        self._is_closed = True
        if thread is not None:
            self._runner.get_loop().call_soon_threadsafe(self._end.set)
            await asyncio.to_thread(thread.join)

    def _serve(self) -> None:
        with self._runner:
            self._runner.run(self._until_closed())

    async def _until_closed(self) -> None:
        await self._end.wait()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)
        await self._at_end()
