"""How busy this machine is, kept minute by minute."""

import logging
from collections.abc import Callable
from typing import Final

from remuda.core.clock import Clock
from remuda.insight.history import KEPT_MINUTES
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.machine import Busy, note_minute, prune_minutes

log = logging.getLogger(__name__)

MINUTE_S: Final = 60.0
PRUNE_EVERY: Final = 60
"""Minutes."""


async def keep_minutes(store: Store, clock: Clock, machine: str, read: Callable[[], Busy]) -> None:
    """Keep what `read` says at the end of each minute, until cancelled; what a store that does not answer misses is
    missing."""
    read()  # processors are measured since the last reading
    while True:
        await clock.sleep(MINUTE_S - clock.wall() % MINUTE_S)
        minute = int(clock.wall() // MINUTE_S) - 1
        try:
            await note_minute(store, machine, minute, read())
            if minute % PRUNE_EVERY == 0:
                await prune_minutes(store, minute - KEPT_MINUTES)
        except StoreError as error:
            log.warning("how busy this machine was in the last minute is not kept: %s", error)
