"""What is said to clients in the midst of streams, written together."""

import asyncio
from typing import Final

MOST: Final = 64
"""Pieces that wait, at most: a turn of the event loop may bring thousands."""
MOST_BYTES: Final = 256 * 1024


class Outlet:
    """Pieces of streams, written once all that a turn of the event loop has brought was read.

    Between two reads a write wakes the process at the other end, which finds one piece, and sleeps again before the
    next; waking one costs more than a write. Together they wake each once, and pieces for the same client are one.
    Nothing is held back for it: the next turn begins with the writes.
    """

    __slots__ = ("_bytes", "_is_due", "_loop", "_most", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int = MOST) -> None:
        """`most`: so many are written without waiting for the end of the turn."""
        self._loop = loop
        self._most = most
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._bytes = 0
        self._is_due = False

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Write `data` to `transport` before anything else is waited for."""
        waiting = self._waiting
        self._bytes += len(data)
        if waiting and waiting[-1][0] is transport:
            waiting[-1] = (transport, waiting[-1][1] + data)
        else:
            waiting.append((transport, data))
        if len(waiting) >= self._most or self._bytes >= MOST_BYTES:
            self.flush()
        elif not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        self.flush()

    def flush(self) -> None:
        """Write all that waits, now: before something else is written, or a connection closed."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        self._bytes = 0
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)
