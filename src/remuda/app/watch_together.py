"""Several gateways on one store: one asks the nodes and writes down what it sees, the others read it.

Gateways need not have the same nodes: of those that the one that leads does not tell of, each asks its own by itself.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from remuda.app.leadership import Leadership
from remuda.core.clock import Clock
from remuda.fleet.sources.sighting import read, written
from remuda.fleet.sources.upstream import UpstreamSource
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.sightings import ALL, MAX_BODY_BYTES, read_sightings, write_sightings

log = logging.getLogger(__name__)

EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Noted:
    """What has been written of a node."""

    probes: int
    """How often it had been asked."""
    gist: str | None
    """What was seen, but for how long it took; None where that is too long to be written."""


class WatchTogether:
    """One gateway's part in it."""

    def __init__(
        self, store: Store, clock: Clock, leadership: Leadership, sources: Callable[[], Sequence[UpstreamSource]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._leadership = leadership
        self._sources = sources
        self._noted: dict[str, _Noted] = {}
        """By place."""
        self._shared: frozenset[str] | None = None
        """Of which places something is written; None where another one may have written since."""
        self._elsewhere: frozenset[str] = frozenset()
        """Of which places the gateway that leads tells, so that it is understood here."""
        self._unread: frozenset[str] = frozenset()
        """Of which it tells as another version of this program does."""
        self._version = ALL
        self._heard: dict[UpstreamSource, int] = {}
        """Who has been told all that was written up to that version, and how often each had asked by itself."""

    def is_asking(self, place: str) -> bool:
        """Whether this gateway is the one to ask the server there."""
        return self._leadership.is_leading or place not in self._elsewhere

    async def begin(self) -> None:
        """Try to lead, or else learn which nodes need not be asked. To be awaited before any is."""
        await self._leadership.claim()
        if not self._leadership.is_leading:
            await self._try_once()

    async def run(self) -> None:
        """Write or read, until cancelled. While the store does not answer, every gateway asks by itself."""
        while True:
            await self._try_once()
            await self._clock.sleep(EVERY_S)

    async def once(self) -> None:
        """Write what is new, or take over what others have written. Raises StoreError."""
        if self._leadership.is_leading:
            await self._write()
        else:
            await self._read()

    async def _try_once(self) -> None:
        try:
            await self.once()
        except StoreError as error:
            log.debug("what is seen of nodes cannot be shared at the moment: %s", error)
        except Exception:
            # Whatever one turn met, the next one comes: else others would go by what was seen last, for ever.
            log.exception("what is seen of nodes could not be shared; it goes on")
            self._heard.clear()  # what was read may not have come to all: they are told everything again

    async def _write(self) -> None:
        sources = {source.place: source for source in self._sources() if source.asked.is_set()}
        noted = {place: each for place, each in self._noted.items() if place in sources}
        fresh: dict[str, str] = {}
        for place, source in sources.items():
            before = noted.get(place)
            if not source.probes or (before is not None and before.probes == source.probes):
                continue  # of one that it has not asked by itself yet, the gateway before has written
            seen = source.sighting
            text, gist = written(seen), written(replace(seen, latency_s=None))
            if len(text.encode()) > MAX_BODY_BYTES:
                noted[place] = _Noted(source.probes, None)
                continue
            noted[place] = _Noted(source.probes, gist)
            if before is None or before.gist != gist:
                fresh[place] = text
        shared = frozenset(place for place in sources if place not in noted or noted[place].gist is not None)
        if fresh or shared != self._shared:
            lease, holder = self._leadership.name, self._leadership.holder
            await write_sightings(self._store, fresh, shared, lease=lease, holder=holder)
        self._shared, self._noted = shared, noted

    async def _read(self) -> None:
        self._shared = None
        self._noted.clear()
        sources = {source.place: source for source in self._sources()}
        # One that has come since, or was asked by this gateway, is told all that is known, not only what is new.
        heard = {source: source.probes for place, source in sources.items() if not self.is_asking(place)}
        news = await read_sightings(self._store, self._version if heard == self._heard else ALL)
        if news is not None:
            self._version, told = news
            seen = {place: read(text) for place, text in told.items() if text is not None}
            self._unread = frozenset(
                place for place in told if (seen[place] is None if place in seen else place in self._unread)
            )
            self._elsewhere = frozenset(told) - self._unread
            for place, sighting in seen.items():
                if sighting is not None and place in sources:
                    sources[place].adopt(sighting)
        self._heard = heard
