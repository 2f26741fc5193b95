"""Several gateways on one store: one asks the nodes and writes down what it sees, the others read it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from remuda.app.leadership import Leadership
from remuda.core.clock import Clock
from remuda.fleet.sources.sighting import read, written
from remuda.fleet.sources.upstream import UpstreamSource
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.sightings import read_sightings, write_sightings

log = logging.getLogger(__name__)

EVERY_S: Final = 0.5


class WatchTogether:
    """One gateway's part in it."""

    def __init__(
        self, store: Store, clock: Clock, leadership: Leadership, sources: Callable[[], Sequence[UpstreamSource]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._leadership = leadership
        self._sources = sources
        self._written: dict[str, tuple[int, str]] = {}
        """By node: how often it had been asked, and what was seen (but for how long it took)."""
        self._version = 0

    async def run(self) -> None:
        """Write or read, until cancelled. While the store does not answer, every gateway asks by itself."""
        while True:
            try:
                await self.once()
            except StoreError as error:
                log.debug("what is seen of nodes cannot be shared at the moment: %s", error)
            await self._clock.sleep(EVERY_S)

    async def once(self) -> None:
        """Write what is new, or take over what others have written. Raises StoreError."""
        if self._leadership.is_leading:
            await self._write()
        else:
            await self._read()

    async def _write(self) -> None:
        fresh: dict[str, str] = {}
        noted: dict[str, tuple[int, str]] = {}
        for source in self._sources():
            key, before = source.place, self._written.get(source.place)
            if not source.probes or (before is not None and before[0] == source.probes):
                continue
            seen = source.sighting
            gist = written(replace(seen, latency_s=None))
            noted[key] = (source.probes, gist)
            if before is None or before[1] != gist:
                fresh[key] = written(seen)
        await write_sightings(self._store, fresh)
        self._written |= noted

    async def _read(self) -> None:
        self._written.clear()
        sources = {source.place: source for source in self._sources()}
        # One that has come since is told all that is known, not only what is new.
        after = self._version if all(source.asked.is_set() for source in sources.values()) else 0
        self._version, changed = await read_sightings(self._store, after)
        for key, text in changed.items():
            source, seen = sources.get(key), read(text)
            if source is not None and seen is not None:
                source.adopt(seen)
