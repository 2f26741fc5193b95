"""Runs a request's coroutine on the event loop without a Task.

Once per request a Task costs as much as all steps from limit to route: it is registered with the loop, begins an
iteration later and ends with callbacks. A drive begins at once, inside the callback that completed the request, and is
woken by the future it waits for. What runs in one may await futures and tasks; `asyncio.timeout` and `current_task`
need a Task: run such a part as one (`UpstreamConnection` is dialled so).
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Drive:
    """A coroutine under way. It must catch what it raises: an exception that leaves it goes to the loop's handler."""

    __slots__ = ("_coroutine", "_is_cancelled", "_loop", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._waits_for: asyncio.Future[Any] | None = None
        self._is_cancelled = False
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
            return
        except BaseException as escaped:
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
            waits_for.add_done_callback(self._wake)

    def _wake(self, _: "asyncio.Future[Any]") -> None:
        if not self._is_cancelled:
            self._step(None)

    def _give_up(self, waits_for: "asyncio.Future[Any]") -> None:
        waits_for.remove_done_callback(self._wake)
        waits_for.cancel()
        self._loop.call_soon(self._step_cancelled)

    def _step_cancelled(self) -> None:
        # Once: what the coroutine waits for while it unwinds is waited for in peace.
        self._is_cancelled = False
        self._step(asyncio.CancelledError())
