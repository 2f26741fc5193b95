"""What is said to clients in the midst of streams, written together."""

import asyncio
from typing import Final, Protocol

MOST: Final = 64
"""Pieces that wait, at most: a turn of the event loop may bring thousands."""
MOST_BYTES: Final = 256 * 1024
MUCH: Final = 256
"""Pieces that a turn brings, from which on each stream is read at most once more before it ends.

libuv looks for what else can be read up to 48 times before it ends a turn, as long as each look finds 1,024 sockets.
With so many streams that there is always more, turns would take a second, and nothing else be done meanwhile: nobody
let in, no request begun, no deadline looked at.
"""


class Source(Protocol):
    """Who puts pieces there."""

    def read_on(self) -> None:
        """Go on."""
        ...


class Outlet:
    """Pieces of streams, written once all that a turn of the event loop has brought was read.

    Between two reads a write wakes the process at the other end, which finds one piece, and sleeps again before the
    next; waking one costs more than a write. Together they wake each once, and pieces for the same client are one.
    Nothing is held back for it: the next turn begins with the writes.
    """

    __slots__ = ("_bytes", "_is_due", "_loop", "_most", "_much", "_puts", "_resting", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int = MOST, much: int = MUCH) -> None:
        """`most`: so many are written without waiting for the end of the turn. `much`: see `put`."""
        self._loop = loop
        self._most = most
        self._much = much
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._bytes = 0
        self._is_due = False
        self._puts = 0
        self._resting: list[Source] = []

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> bool:
        """Write `data` to `transport` before anything else is waited for. True: this turn has brought very much, and
        who goes on bringing is to `rest` until it is over."""
        waiting = self._waiting
        self._puts += 1
        self._bytes += len(data)
        if waiting and waiting[-1][0] is transport:
            waiting[-1] = (transport, waiting[-1][1] + data)
        else:
            waiting.append((transport, data))
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self.end_turn)
        if len(waiting) >= self._most or self._bytes >= MOST_BYTES:
            self.flush()
        return self._puts > self._much

    def rest(self, source: Source) -> None:
        """Have `source` read on when the turn is over."""
        self._resting.append(source)

    def end_turn(self) -> None:
        """Called by the loop when all that the turn has brought was read."""
        self._is_due = False
        self._puts = 0
        self.flush()
        if self._resting:
            resting, self._resting = self._resting, []
            for source in resting:
                source.read_on()

    def flush(self) -> None:
        """Write all that waits, now: before something else is written, or a connection closed."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        self._bytes = 0
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)
