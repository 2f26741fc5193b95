"""When keys were last used for ordinary requests. Those of inference requests the journal notes by itself."""

import asyncio
import logging
from typing import Final

from remuda.core.clock import Clock
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.keys import touch_last_used

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
"""Time between two writes: a page that is loaded over and over shall not keep the disk busy."""


class KeyUse:
    """Notes uses of keys in memory, one time for each key, and writes them now and then."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._used: dict[str, float] = {}
        self._is_used = asyncio.Event()

    def note(self, key_id: str) -> None:
        """The key was used just now; quick, `keep` does the work."""
        self._used[key_id] = self._clock.wall()
        self._is_used.set()

    async def keep(self) -> None:
        """Write what is noted, until cancelled."""
        while True:
            await self._is_used.wait()
            await self._clock.sleep(EVERY_S)
            self._is_used.clear()
            await self.write()

    async def write(self) -> None:
        """Write what has been noted so far. Where the store does not answer, it is written with the next use."""
        used = dict(self._used)
        try:
            await touch_last_used(self._store, used)
        except StoreError as error:
            log.warning("the use of keys could not be noted: %s", error)
            return
        for key_id, moment in used.items():
            if self._used.get(key_id) == moment:  # else it was used once more meanwhile
                del self._used[key_id]
