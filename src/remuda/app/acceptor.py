"""Takes every connection that waits, where the loop takes one a turn.

libuv accepts one connection of a listener in each round of its loop. A gateway that relays thousands of streams has
rounds of tens of milliseconds, and whoever connects then would stand in the kernel's queue for seconds.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from ssl import SSLContext
from typing import Any, Final

from remuda.core.tasks import Tasks

log = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 512
"""Connections taken in a turn of the loop, some 50 µs each: what is running is not to be held up for long."""
MOST_OPENING: Final = 2048
"""Connections taken that are not open yet, as with TLS, whose handshakes take a while: more wait in the kernel."""


class Acceptor:
    """Makes the protocol of each connection that the loop accepts, and then accepts what else waits."""

    def __init__(
        self,
        protocol: Callable[..., asyncio.Protocol],
        listeners: Sequence[socket.socket],
        tls: SSLContext | None = None,
        *,
        at_once: int = MOST_AT_ONCE,
    ) -> None:
        """`listeners` are those that the loop listens on, too; they are not closed here."""
        self._protocol = protocol
        self._listeners = listeners
        self._tls = tls
        self._at_once = at_once
        self._opening = Tasks("acceptor")
        self._is_due = False

    def protocol(self, **given: Any) -> asyncio.Protocol:
        """What uvicorn calls for each connection that the loop has accepted, with what each protocol is given."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._accept, given)
        return self._protocol(**given)

    async def close(self) -> None:
        """Give up the connections that are not open yet."""
        await self._opening.close()

    def _accept(self, given: dict[str, Any]) -> None:
        self._is_due = False
        for listener in self._listeners:
            for _ in range(min(self._at_once, MOST_OPENING - len(self._opening))):
                try:
                    connection, _ = listener.accept()
                except OSError:
                    # Nothing waits, or none can be had now: no descriptors left. libuv goes on as it always did.
                    break
                self._opening.start(self._open(connection, given), "connection")

    async def _open(self, connection: socket.socket, given: dict[str, Any]) -> None:
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._protocol(**given), connection, ssl=self._tls
            )
        except OSError as error:  # of TLS, too
            log.debug("a client was gone before its connection was open: %s", error)
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise
