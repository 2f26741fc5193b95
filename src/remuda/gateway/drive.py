"""Runs a request's coroutine on the event loop without a Task.

Once per request a Task costs as much as all steps from limit to route: it is registered with the loop, begins an
iteration later and ends with callbacks. A drive begins at once, inside the callback that completed the request, and is
woken by what it waits for: a future, or a `Signal`, which wakes it within the very read that brought the answer. What
runs in a drive may await futures, tasks and signals; `asyncio.timeout` and `current_task` need a Task: run such a part
as one (`UpstreamConnection` is dialled so).
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any


class Signal:
    """Something that happens once, well or with a fault, and wakes at once the one drive that awaits it.

    Whoever sets it must be done with its own work: what was waiting runs before `set` returns. A Task may await it as
    well, and is woken as by a future, at the loop's next turn.
    """

    __slots__ = ("_asyncio_future_blocking", "_wake", "fault", "is_set")

    def __init__(self) -> None:
        self._asyncio_future_blocking = False
        """What an awaiting Task or drive looks at to tell `await` from a misuse, as on a future."""
        self._wake: Callable[[Signal], object] | None = None
        self.fault: BaseException | None = None
        self.is_set = False

    def set(self, fault: BaseException | None = None) -> None:
        """It has happened; raises `fault` where it is awaited. Only the first time counts."""
        if self.is_set:
            return
        self.is_set = True
        self.fault = fault
        wake, self._wake = self._wake, None
        if wake is not None:
            wake(self)

    # Its own iterator, which yields itself once: a generator would be as quick, and 200 bytes for each open stream.

    def __await__(self) -> Generator[Any, None, None]:
        return self  # type: ignore[return-value]  # any iterator will do for the interpreter

    def __iter__(self) -> "Signal":
        return self

    def __next__(self) -> "Signal":
        if not self.is_set:
            self._asyncio_future_blocking = True
            return self
        if self.fault is not None:
            raise self.fault
        raise StopIteration

    # What tasks and drives ask of a future

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of whoever waits."""
        return asyncio.get_running_loop()

    def add_done_callback(self, wake: "Callable[[Any], None]", *, context: Any = None) -> None:
        """Call `wake(self)` when it happens; at the loop's next turn where a Task asks, which hands in its context."""
        if context is None:
            self._wake = wake
        else:
            loop = asyncio.get_running_loop()
            self._wake = lambda signal: loop.call_soon(wake, signal, context=context)

    def remove_done_callback(self, wake: "Callable[[Any], None]") -> None:
        """Nobody waits any more."""
        self._wake = None

    def cancel(self, msg: Any = None) -> bool:
        """It will not happen: CancelledError is raised where it is awaited. False where it has happened."""
        if self.is_set:
            return False
        self.set(asyncio.CancelledError())
        return True

    def result(self) -> None:
        """Nothing, or raises the fault: a Task asks for it when it is woken."""
        if self.fault is not None:
            raise self.fault


class Drive:
    """A coroutine under way. It must catch what it raises: an exception that leaves it goes to the loop's handler."""

    __slots__ = ("_coroutine", "_is_cancelled", "_loop", "_waits_for", "is_over")

    def __init__(self, coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._waits_for: asyncio.Future[Any] | Signal | None = None
        self._is_cancelled = False
        self.is_over = False
        """Whether the coroutine has ended."""
        self._step(None)

    def cancel(self) -> None:
        """Raise CancelledError where the coroutine waits, or at its next wait; soon, not before this returns."""
        if not self._is_cancelled:
            self._is_cancelled = True
            if self._waits_for is not None:
                self._give_up(self._waits_for)

    def _step(self, error: BaseException | None) -> None:
        self._waits_for = None
        try:
            waits_for = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        except StopIteration:
            self.is_over = True
            return
        except BaseException as escaped:
            self.is_over = True
            self._loop.call_exception_handler({"message": "a request's coroutine failed", "exception": escaped})
            if isinstance(escaped, KeyboardInterrupt | SystemExit):
                raise
            return
        # What a Task does with a future it is handed: the flag tells a misuse (yielding without await) apart.
        waits_for._asyncio_future_blocking = False
        self._waits_for = waits_for
        if self._is_cancelled:
            self._give_up(waits_for)
        else:
            waits_for.add_done_callback(self)

    def __call__(self, _: "asyncio.Future[Any] | Signal") -> None:
        """What it waits for has happened. It is its own callback: a bound method would be one more object to keep for
        each open stream."""
        if not self._is_cancelled:
            self._step(None)

    def _give_up(self, waits_for: "asyncio.Future[Any] | Signal") -> None:
        waits_for.remove_done_callback(self)
        waits_for.cancel()
        self._loop.call_soon(self._step_cancelled)

    def _step_cancelled(self) -> None:
        # Once: what the coroutine waits for while it unwinds is waited for in peace.
        self._is_cancelled = False
        self._step(asyncio.CancelledError())
