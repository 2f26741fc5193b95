"""Of several gateways on one store, one asks the nodes how they are; when it dies, another one does."""

import logging
from collections.abc import Callable
from typing import Final

from remuda.core.clock import Clock
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.leases import drop_lease, keep_lease

log = logging.getLogger(__name__)

TTL_S: Final = 6.0
"""How long whoever leads may be silent once another gateway wants to."""
RENEWALS: Final = 3
"""Tries to answer within that time: one or two may fail. Where the one who leads dies without a word, another one does
after that time and two pauses between tries, at the latest."""


class Leadership:
    """One gateway's claim to be the one."""

    def __init__(self, store: Store, name: str, holder: str, clock: Clock, *, ttl_s: float = TTL_S) -> None:
        self.name = name
        """Of the lease."""
        self.holder = holder
        """Of the claim: no other gateway has it."""
        self._store = store
        self._clock = clock
        self._ttl_s = ttl_s
        self._until: float | None = None
        self._is_claimed = False
        self._is_store_down = False
        self._was_leading = True
        self._told: list[Callable[[bool], None]] = []

    @property
    def is_leading(self) -> bool:
        """Whether this gateway is to do it now. True also while the store does not answer: then no gateway knows of the
        others, and what is done by several is better than what is done by none. True, too, before it is claimed for
        the first time."""
        if not self._is_claimed or self._is_store_down:
            return True
        return self._until is not None and self._clock.monotonic() < self._until

    def on_change(self, callback: Callable[[bool], None]) -> None:
        """Call `callback(is_leading)` whenever that has changed."""
        self._told.append(callback)

    async def run(self) -> None:
        """Try to lead and go on leading, until cancelled."""
        while True:
            await self.claim()
            await self._clock.sleep(self._ttl_s / RENEWALS)

    async def claim(self) -> None:
        """Take or renew the lease, if it can be had."""
        self._is_claimed = True
        begun = self._clock.monotonic()  # from here on the store may count, however late its answer comes
        try:
            is_taken = await keep_lease(self._store, self.name, self.holder, self._clock.wall, self._ttl_s)
        except StoreError as error:
            if not self._is_store_down:
                log.warning("who asks the nodes cannot be agreed on at the moment, so this gateway does: %s", error)
            self._is_store_down = True
        else:
            self._is_store_down = False
            self._until = begun + self._ttl_s if is_taken else None
        self._tell()

    async def resign(self) -> None:
        """Let another one lead at once."""
        self._until = None
        try:
            await drop_lease(self._store, self.name, self.holder)
        except StoreError as error:
            log.debug("the lease %s was not given up, and will expire: %s", self.name, error)

    def _tell(self) -> None:
        if self.is_leading is not self._was_leading:
            self._was_leading = self.is_leading
            log.info("this gateway %s the nodes", "asks" if self._was_leading else "no longer asks")
            for callback in self._told:
                callback(self._was_leading)
