"""Leases of asks that were broken off: the slot stays leased until its engine is idle again, or for a bounded time.

An engine notices a closed connection only at its next step. A slot handed on at once would put the next ask into the
engine's own hidden queue, behind work that nobody wants any more.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from remuda.core.clock import Clock
from remuda.core.faults import Fault
from remuda.core.tasks import Tasks
from remuda.fleet.replica import Replica
from remuda.gateway.forward import Forwarder
from remuda.gateway.route import Lease

log = logging.getLogger(__name__)

PATIENCE_S: Final = 2.0
"""After this a slot is handed on whatever the engine says."""
ASK_EVERY_S: Final = 0.02
ASK_TIMEOUT_S: Final = 0.5


class Settler:
    """Asks engines whether they are idle, and gives leases back when they are."""

    def __init__(
        self, forwarder: Forwarder, clock: Clock, observe_idle: Callable[[float], None] = lambda seconds: None
    ) -> None:
        self._forwarder = forwarder
        self._clock = clock
        self._observe_idle = observe_idle
        self._pending: dict[Replica, list[tuple[float, Lease]]] = {}
        self._tasks = Tasks("settle")

    def settle(self, lease: Lease) -> None:
        """Take over `lease`, whose ask has just been broken off."""
        replica = lease.replica
        if replica.engine.slots_path is None or not lease.is_held:
            return  # nothing to ask: leaving the lease gives the slot back, if it took one
        lease.keep()
        pending = self._pending.get(replica)
        entry = (self._clock.monotonic(), lease)
        if pending is not None:
            pending.append(entry)
        else:
            self._pending[replica] = [entry]
            self._tasks.start(self._watch(replica), replica.id)

    async def close(self) -> None:
        """Give everything back."""
        await self._tasks.close()

    async def _watch(self, replica: Replica) -> None:
        pending = self._pending[replica]
        try:
            while pending:
                busy = await self._busy_slots(replica)
                # Of the slots the engine says are busy, those of live asks are rightly so.
                live = replica.slots.in_use - len(pending)
                still_busy = max(0, busy - live)
                now = self._clock.monotonic()
                while pending and (len(pending) > still_busy or now - pending[0][0] >= PATIENCE_S):
                    since, lease = pending.pop(0)
                    self._observe_idle(now - since)
                    lease.give_back()
                if pending:
                    await self._clock.sleep(ASK_EVERY_S)
        finally:
            del self._pending[replica]
            for _, lease in pending:
                lease.give_back()

    async def _busy_slots(self, replica: Replica) -> int:
        """How many slots the engine says are busy; none where it does not answer (a dead engine is idle)."""
        path = replica.engine.slots_path
        assert path is not None
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                return replica.engine.busy_slots(await self._forwarder.fetch(replica, path))
        except TimeoutError:
            return replica.slots.size
        except (Fault, ValueError) as error:
            log.debug("%s does not tell its slots: %s", replica.id, error)
            return 0
