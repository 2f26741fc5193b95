"""A gate: where the fake's answers wait until the test lets them pass, so that no test needs to sleep."""

import asyncio
from collections.abc import Callable


class Signal:
    """Tells waiters that something has changed; each looks for itself whether it is what it waits for."""

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    def changed(self) -> None:
        """Wakes every waiter to look again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, holds: Callable[[], bool], what: Callable[[], str], within_s: float) -> None:
        """Returns once `holds()`, at once if it already does; TimeoutError, naming `what`, after `within_s`."""
        try:
            async with asyncio.timeout(within_s):
                while not holds():
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiters.append(waiter)
                    await waiter
        except TimeoutError:
            raise TimeoutError(f"waited {within_s:g} s for {what()}") from None


class Gate:
    """Open until a test holds it. Answers that reach it while it is held wait, and go on together on release."""

    def __init__(self) -> None:
        self._held = False
        self._after_chunks: int | None = None
        self._probes_too = False
        self._signal = Signal()
        self.waiting = 0
        """Answers that stand at the gate now."""

    def hold(self, *, after_chunks: int | None = None, probes_too: bool = False) -> None:
        """Holds answers before their head, or, with a number, once the head and so many chunks have left. Answers to
        probes pass unless told otherwise: a server whose probes are held counts as away sooner or later."""
        self._held = True
        self._probes_too = probes_too
        self._after_chunks = after_chunks

    def release(self) -> None:
        """Lets all pass, now and later."""
        self._held = False
        self._signal.changed()

    async def reached(self, n: int = 1, *, within_s: float = 10.0) -> None:
        """Returns once `n` answers stand at the gate."""
        await self._signal.until(
            lambda: self.waiting >= n, lambda: f"{n} answers at the gate ({self.waiting} there)", within_s
        )

    async def passing(self, place: int | None, *, is_probe: bool = False) -> None:
        """The fake's side: waits here if the gate is held at this place."""
        if not self._held or place != self._after_chunks or (is_probe and not self._probes_too):
            return
        self.waiting += 1
        self._signal.changed()
        try:
            await self._signal.until(lambda: not self._held, lambda: "the test to release the gate", 3600.0)
        finally:
            self.waiting -= 1
            self._signal.changed()
