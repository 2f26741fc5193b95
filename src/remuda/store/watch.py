"""Noticing what another process changed."""

import logging
from collections.abc import Awaitable, Callable

from remuda.core.clock import Clock
from remuda.store.database import Store
from remuda.store.errors import StoreError

log = logging.getLogger(__name__)

INTERVAL_S = 0.5
"""A change is to be noticed within a second, with the time for reading what changed."""


async def watch_revision(
    store: Store, clock: Clock, on_change: Callable[[], Awaitable[int]], *, known: int | None = None
) -> None:
    """Look at the store's revision twice a second, until cancelled; await `on_change` where it is not the one known.

    `on_change` reads what changed and returns the revision it read at (as `usable_keys` gives it), which is the one
    known from then on; `known` is the one it starts with, None for "call at once". While the store does not answer,
    and where `on_change` raises StoreError, the watch goes on with the next look: what was read before stays in use.
    """
    is_failing = False
    while True:
        try:
            if await store.revision() != known:
                known = await on_change()
        except StoreError as error:
            if not is_failing:
                log.warning("changes of keys are not seen at the moment: %s", error)
            is_failing = True
        else:
            if is_failing:
                log.info("changes of keys are seen again")
            is_failing = False
        await clock.sleep(INTERVAL_S)
