"""Work on files, which blocks, away from the event loop."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Brought = TypeVar("Brought")


async def in_thread(work: Callable[Given, Brought], *args: Given.args, **kwargs: Given.kwargs) -> Brought:
    """What `work` returns, run in a thread. Whoever is cancelled meanwhile waits until it is over: nobody else may
    touch the file before."""
    running = asyncio.get_running_loop().run_in_executor(None, lambda: work(*args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
