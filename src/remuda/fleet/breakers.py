"""The breakers of all servers in trouble, and what they make of these servers' slots.

A breaker acts by the number of slots that a server gives out (`Slots.total`): none while it is open. So choosing a
replica looks at nothing that it did not look at before, and all replicas of a server are held back together.
"""

import logging
from collections.abc import Callable

from remuda.fleet.breaker import Breaker, BreakerRules, Phase
from remuda.fleet.registry import Fleet
from remuda.fleet.replica import Replica, Slots

log = logging.getLogger(__name__)


class Breakers:
    """Told of attempts that failed, and, for servers that have a breaker at the moment, of all others."""

    def __init__(self, fleet: Fleet, rules: BreakerRules, monotonic: Callable[[], float]) -> None:
        self._fleet = fleet
        self._rules = rules
        self._monotonic = monotonic
        self._watched: dict[Slots, str] = {}
        """Servers with a breaker, and what they are called in the log. One that is well again has none."""

    def __len__(self) -> int:
        return len(self._watched)

    def begun(self, replica: Replica) -> int:
        """An attempt on a server that has a breaker begins; its mark, to be handed back with what becomes of it."""
        breaker = replica.slots.breaker
        if breaker is None:
            return 0
        mark = breaker.begun()
        self._apply(replica.slots, breaker)
        return mark

    def failed(self, replica: Replica, mark: int) -> None:
        """An attempt failed by the server's doing; `mark` is 0 where it began while there was no breaker."""
        if not self._rules.failures:
            return
        slots = replica.slots
        breaker = slots.breaker or self._watch(slots, replica.id)
        was = breaker.phase
        breaker.failed(mark, self._monotonic())
        if breaker.phase is Phase.OPEN and was is not Phase.OPEN:
            log.warning("the server of %s fails: it gets no requests for a while", replica.id)
        self._apply(slots, breaker)

    def succeeded(self, replica: Replica, mark: int) -> None:
        """An attempt that has this mark was answered."""
        breaker = replica.slots.breaker
        if breaker is not None:
            was = breaker.phase
            breaker.succeeded(mark, self._monotonic())
            if was is Phase.TRIAL and breaker.phase is Phase.RAMP:
                replica.slots.recoveries += 1
                log.info("the server of %s answers again: it gets more and more requests", replica.id)
            self._changed(replica.slots, breaker)

    def abandoned(self, replica: Replica, mark: int) -> None:
        """An attempt that has this mark ended without telling anything of the server."""
        breaker = replica.slots.breaker
        if breaker is not None:
            breaker.abandoned(mark)  # the next trial is let through at the next tick, when this one's slot is back

    def recovered(self, slots: Slots, name: str) -> None:
        """A server was on standby and is active again: it starts slowly too."""
        slots.recoveries += 1
        if self._rules.ramp_s:
            breaker = slots.breaker or self._watch(slots, name)
            if breaker.phase is Phase.CLOSED:
                breaker.recovered(self._monotonic())
                self._apply(slots, breaker)

    def tick(self) -> None:
        """Time has passed; called a few times a second."""
        if not self._watched:
            return
        now = self._monotonic()
        present = {id(replica.slots) for replica in self._fleet.replicas()}
        for slots in list(self._watched):
            breaker = slots.breaker
            if breaker is None or id(slots) not in present:
                self._forget(slots)  # should it come back, it begins anew
                continue
            is_idle = breaker.phase is Phase.HALF_OPEN
            breaker.tick(now)
            self._changed(slots, breaker)
            if is_idle and breaker.phase is Phase.HALF_OPEN:
                # Nobody has asked for the trial: those who wait for others alone, as this one failed them, may make it.
                slots.recoveries += 1
                self._wake(slots)
            if breaker.is_over(now):
                self._forget(slots)

    def _watch(self, slots: Slots, name: str) -> Breaker:
        breaker = slots.breaker = Breaker(self._rules)
        self._watched[slots] = name
        return breaker

    def _forget(self, slots: Slots) -> None:
        slots.breaker = None
        slots.total = slots.size
        del self._watched[slots]

    def _apply(self, slots: Slots, breaker: Breaker) -> None:
        slots.total = breaker.allowed(slots.size, slots.in_use, self._monotonic())

    def _changed(self, slots: Slots, breaker: Breaker) -> None:
        """As `_apply`; whoever waits for one of the slots that are given out now gets it."""
        before = slots.free
        self._apply(slots, breaker)
        if slots.free > before:
            self._wake(slots)

    def _wake(self, slots: Slots) -> None:
        if self._fleet.queued:
            for replica in self._fleet.replicas():
                if replica.slots is slots and replica.is_routable:
                    self._fleet.freed(replica)
                    break
