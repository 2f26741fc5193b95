"""What upstreams have offered is kept in the store, so that it is known before they answer the next time."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from remuda.core.clock import Clock
from remuda.fleet.registry import WILDCARD, FleetChange, Remembered, Served
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.known_models import note_models, noted_models

log = logging.getLogger(__name__)

RETRY_S: Final = 5.0
"""Time between two tries while the store does not answer."""


class KnownModels:
    """Keeps the names that upstreams offer, off everybody's way. What this machine serves itself the settings say."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._noted: dict[str, frozenset[str]] = {}
        self._pending: dict[str, frozenset[str]] = {}
        self._is_pending = asyncio.Event()

    async def recall(self, announce: Callable[[FleetChange], None]) -> None:
        """Announce what is kept. A store that does not answer just then is no reason not to start."""
        try:
            noted = await noted_models(self._store)
        except StoreError as error:
            log.warning("models of earlier times are not known: %s", error)
            return
        for source, names in sorted(noted.items()):
            announce(Remembered(source, tuple(names)))

    def note(self, change: FleetChange) -> None:
        """Take in what an upstream says; quick, `keep` does the work."""
        if isinstance(change, Served):
            names = frozenset(change.offered) - {WILDCARD}
            if not names <= self._noted.get(change.source, frozenset()):
                # All that it offers, not only what is new: when names are let go, the present ones are the last.
                self._noted[change.source] = names
                self._pending[change.source] = self._pending.get(change.source, frozenset()) | names
                self._is_pending.set()

    async def keep(self) -> None:
        """Write what is noted, until cancelled."""
        while True:
            await self._is_pending.wait()
            self._is_pending.clear()
            while not await self.write():
                await self._clock.sleep(RETRY_S)

    async def write(self) -> bool:
        """Write what has been noted so far; False where the store does not answer, and then it is still to be done."""
        while self._pending:
            source, names = next(iter(self._pending.items()))
            try:
                await note_models(self._store, source, names, self._clock.wall())
            except StoreError as error:
                log.warning("the models of %s could not be kept, which is tried again: %s", source, error)
                return False
            if self._pending.get(source) == names:  # else more have come meanwhile
                del self._pending[source]
        return True
