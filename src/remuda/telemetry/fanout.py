"""The bus: what happens in one process is told to whoever listens, here and in other processes.

Nothing that must not be lost goes this way: a listener that is slow loses what is oldest, and what is published while
other processes cannot be reached is not told to them later.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, Self

MAX_WAITING: Final = 4096
"""Messages that wait for one listener."""


class Subscription:
    """The messages of one channel from now on: an asynchronous iterator, and a context that ends it on leaving."""

    def __init__(self, max_waiting: int, end: Callable[["Subscription"], None]) -> None:
        self._waiting: deque[bytes] = deque(maxlen=max_waiting)
        self._end = end
        self._has_more = asyncio.Event()
        self.lost = 0
        """Messages that came faster than they were taken."""

    def tell(self, payload: bytes) -> None:
        """There is another message."""
        self.lost += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(payload)
        self._has_more.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._waiting:
            self._has_more.clear()
            await self._has_more.wait()
        return self._waiting.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._end(self)


class Fanout(Protocol):
    """Carries messages to everybody who listens to their channel."""

    @property
    def is_connected(self) -> bool:
        """Whether other processes are reached at the moment, where there are to be any."""
        ...

    def publish(self, channel: str, payload: bytes) -> None:
        """Tell everybody, this process included. Returns at once, and never raises."""
        ...

    def subscribe(self, channel: str) -> Subscription:
        """What is published from now on; to be used as a context."""
        ...


class MemoryFanout:
    """Within one process."""

    is_connected = True

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._channels: dict[str, list[Subscription]] = {}

    def publish(self, channel: str, payload: bytes) -> None:
        """Tell everybody."""
        for subscription in self._channels.get(channel, ()):
            subscription.tell(payload)

    def subscribe(self, channel: str) -> Subscription:
        """What is published from now on."""
        subscription = Subscription(self._max_waiting, lambda ended: self._left(channel, ended))
        self._channels.setdefault(channel, []).append(subscription)
        return subscription

    def _left(self, channel: str, subscription: Subscription) -> None:
        listening = self._channels[channel]
        listening.remove(subscription)
        if not listening:
            del self._channels[channel]
