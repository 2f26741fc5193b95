"""Work that blocks or takes a while, away from the event loop."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Brought = TypeVar("Brought")
Item = TypeVar("Item")


async def in_thread(work: Callable[Given, Brought], *args: Given.args, **kwargs: Given.kwargs) -> Brought:
    """What `work` returns, run in a thread. Whoever is cancelled meanwhile waits until it is over: nobody else may
    touch the file before."""
    running = asyncio.get_running_loop().run_in_executor(None, lambda: work(*args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def gently(items: Iterable[Item], every: int) -> Iterator[Item]:
    """The items. After so many of them the interpreter's lock is given up: the event loop, which answers requests
    meanwhile, else waits 5 ms for it each time that it has waited for the network. Not oftener than about each
    millisecond: where the loop is busy, getting the lock back takes 5 ms too."""
    for number, item in enumerate(items):
        if number % every == every - 1:
            time.sleep(0)
        yield item
