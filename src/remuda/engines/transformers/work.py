"""One request's work on a thread of the model's, and what comes of it on the event loop's.

A request that is given up lets its thread go at the next token: the thread asks before each.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _End:
    """After the last item."""


class Work(Generic[Item]):
    """What `make` yields, one after another; `make` is given what tells it that nobody waits any more."""

    def __init__(self, make: Callable[[Callable[[], bool]], Iterator[Item]]) -> None:
        self._items: asyncio.Queue[Item | BaseException | _End] = asyncio.Queue()
        self._is_given_up = threading.Event()
        self._make = make

    async def next(self) -> Item | None:
        """The next item; None after the last. Raises what `make` raised."""
        item = await self._items.get()
        if isinstance(item, _End):
            return None
        if isinstance(item, BaseException):
            raise item
        return item

    def give_up(self) -> None:
        """Nobody waits for more."""
        self._is_given_up.set()

    def run(self, put: Callable[[Item | BaseException | _End], None]) -> None:
        """Do it, on the thread that this is called on."""
        if self._is_given_up.is_set():
            return
        try:
            for item in self._make(self._is_given_up.is_set):
                if self._is_given_up.is_set():
                    return
                put(item)
        except Exception as error:  # noqa: BLE001 - whoever waits for the next item gets it
            put(error)
        else:
            put(_End())

    @property
    def put(self) -> Callable[[Item | BaseException | _End], None]:
        """How an item is handed over, from the loop's own thread."""
        return self._items.put_nowait


class Desks:
    """The threads of a model: one for each slot, so that what comes beyond waits its turn."""

    def __init__(self, slots: int) -> None:
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="slot")
        self._lock = threading.Lock()
        self._busy = 0

    @property
    def busy(self) -> int:
        """How many are at work."""
        return self._busy

    def begin(self, make: Callable[[Callable[[], bool]], Iterator[Item]]) -> Work[Item]:
        """Begin some work, as soon as a thread is free."""
        loop = asyncio.get_running_loop()
        work = Work(make)

        def hand_over(item: Item | BaseException | _End) -> None:
            loop.call_soon_threadsafe(work.put, item)

        def run() -> None:
            self._count(1)
            try:
                work.run(hand_over)
            finally:
                self._count(-1)

        self._threads.submit(run)
        return work

    def close(self) -> None:
        """Take no more work."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _count(self, change: int) -> None:
        with self._lock:
            self._busy += change
