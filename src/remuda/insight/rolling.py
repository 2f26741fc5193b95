"""What makes coarser rollups of finer ones and lets go of old ones, little by little, for as long as a gateway runs."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from remuda.core.clock import Clock
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.rollups import next_step, prune_rollups, roll_up_journal, rows_of, take_step

log = logging.getLogger(__name__)

EVERY_S: Final = 20.0
"""Five-minute rows are due every five minutes; what is not made yet is read from finer ones."""
PRUNE_EVERY: Final = 180
"""Of these looks: an hour."""
BREATH_S: Final = 0.05
"""Between two steps, so that the journal's writer comes to its turn."""


class Roller:
    """Keeps the rollups of a store. Of several gateways each may: what one has done the others find done."""

    def __init__(self, store: Store, clock: Clock, kept_s: Mapping[int, int]) -> None:
        """`kept_s`: for how long each grain is kept, in seconds; 0 for ever."""
        self._store = store
        self._clock = clock
        self._kept_s = kept_s

    async def run(self) -> None:
        """Go on until cancelled. A store that does not answer is asked again the next time."""
        looks = 0
        while True:
            try:
                await self.look(is_pruning=looks % PRUNE_EVERY == 0)
                looks += 1
            except StoreError as error:
                log.warning("requests are not rolled up at the moment: %s", error)
            await self._clock.sleep(EVERY_S)

    async def look(self, *, is_pruning: bool) -> None:
        """Do all that is due. Raises StoreError."""
        while (step := await next_step(self._store, self._clock.wall())) is not None:
            await take_step(self._store, step, await asyncio.to_thread(rows_of, step))
            await self._clock.sleep(BREATH_S)
        if is_pruning:
            await prune_rollups(self._store, self._kept_s)
        # After pruning: what is older than a grain is kept for is not added to it.
        added = 0
        while count := await roll_up_journal(self._store):
            added += count
            await self._clock.sleep(BREATH_S)
        if added:
            log.info("%d requests from before there were rollups have been rolled up", added)
