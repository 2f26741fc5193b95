"""The breakers of all servers and replicas in trouble, and what they make of the slots that are given out.

A server that does not take connections has a breaker of its own, which holds back all its replicas. Whatever else goes
wrong is a matter of one replica, as far as anybody knows: a model that cannot be loaded must not take away the others
on its server. A breaker acts by a number of slots: `Slots.total` of the server, or of the replica's `hold`; none while
it is open. So choosing a replica looks at nothing else.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from remuda.fleet.breaker import Breaker, BreakerRules, Phase
from remuda.fleet.registry import Fleet
from remuda.fleet.replica import Replica, Slots

log = logging.getLogger(__name__)


class Mark(NamedTuple):
    """When an attempt began, in the terms of the breakers of its server and of its replica; 0: there was none."""

    server: int
    own: int


class Breakers:
    """Told of attempts that failed, and, for servers and replicas that have a breaker at the moment, of all others."""

    def __init__(self, fleet: Fleet, rules: BreakerRules, monotonic: Callable[[], float]) -> None:
        self._fleet = fleet
        self._rules = rules
        self._monotonic = monotonic
        self._watched: dict[Slots, Replica | None] = {}
        """Slots with a breaker; whose hold they are, None: a server's. One that is well again has none."""

    def __len__(self) -> int:
        return len(self._watched)

    def begun(self, replica: Replica) -> Mark | None:
        """An attempt begins; what is to be handed back with what becomes of it. None where all is well."""
        server, hold = replica.slots.breaker, replica.hold
        own = None if hold is None else hold.breaker
        if server is None and own is None:
            return None
        mark = Mark(0 if server is None else server.begun(), 0 if own is None else own.begun())
        if server is not None:
            self._apply(replica.slots, server)
        if hold is not None and own is not None:
            self._apply(hold, own)
        return mark

    def failed(self, replica: Replica, mark: Mark | None, *, is_there: bool = True) -> None:
        """An attempt failed by the server's doing; `is_there`: it had been reached."""
        if not self._rules.failures:
            return
        slots, hold = replica.slots, replica.hold
        if is_there:
            if mark is not None and mark.server:
                self._succeeded(slots, mark.server, replica)
            if hold is None:
                hold = replica.hold = Slots(slots.size)
            self._failed(hold, 0 if mark is None else mark.own, replica, is_own=True)
            return
        if mark is not None and hold is not None and hold.breaker is not None:
            hold.breaker.abandoned(mark.own)
        self._failed(slots, 0 if mark is None else mark.server, replica, is_own=False)

    def _failed(self, slots: Slots, mark: int, replica: Replica, *, is_own: bool) -> None:
        breaker = slots.breaker or self._watch(slots, replica if is_own else None)
        was = breaker.phase
        breaker.failed(mark, self._monotonic())
        if breaker.phase is Phase.OPEN and was is not Phase.OPEN:
            who = replica.id if is_own else f"the server of {replica.id}"
            log.warning("%s fails: it gets no requests for a while", who)
        self._apply(slots, breaker)

    def succeeded(self, replica: Replica, mark: Mark) -> None:
        """An attempt that has this mark was answered."""
        if mark.server:
            self._succeeded(replica.slots, mark.server, replica)
        if mark.own and replica.hold is not None:
            self._succeeded(replica.hold, mark.own, replica)

    def _succeeded(self, slots: Slots, mark: int, replica: Replica) -> None:
        breaker = slots.breaker
        if breaker is not None:
            was = breaker.phase
            breaker.succeeded(mark, self._monotonic())
            if was is Phase.TRIAL and breaker.phase is Phase.RAMP:
                slots.recoveries += 1
                is_own = slots is replica.hold
                who = replica.id if is_own else f"the server of {replica.id}"
                log.info("%s answers again: it gets more and more requests", who)
            self._changed(slots, breaker)

    def abandoned(self, replica: Replica, mark: Mark) -> None:
        """An attempt that has this mark ended without telling anything: the next trial is let through at the next tick,
        when this one's slot is back."""
        server, hold = replica.slots.breaker, replica.hold
        if server is not None:
            server.abandoned(mark.server)
        if hold is not None and hold.breaker is not None:
            hold.breaker.abandoned(mark.own)

    def recovered(self, slots: Slots, name: str) -> None:
        """A server was on standby and is active again: it starts slowly too, and what was held back may be tried."""
        slots.recoveries += 1
        now = self._monotonic()
        for held, replica in list(self._watched.items()):
            is_of_it = held is slots or (replica is not None and replica.slots is slots)
            if is_of_it and held.breaker is not None and held.breaker.phase is Phase.OPEN:
                log.info("the server %s is back: it gets a request as a trial", name)
                held.breaker.retry()
                self._changed(held, held.breaker)
        if self._rules.ramp_s:
            breaker = slots.breaker or self._watch(slots, None)
            if breaker.phase is Phase.CLOSED:
                breaker.recovered(now)
                self._apply(slots, breaker)

    def tick(self) -> None:
        """Time has passed; called a few times a second."""
        if not self._watched:
            return
        now = self._monotonic()
        present: set[int] = set()
        for each in self._fleet.replicas():
            present.add(id(each))
            present.add(id(each.slots))
        for slots, replica in list(self._watched.items()):
            breaker = slots.breaker
            if breaker is None or id(slots if replica is None else replica) not in present:
                self._forget(slots, replica)  # should it come back, it begins anew
                continue
            if replica is not None:
                slots.size = replica.slots.size
            is_idle = breaker.phase is Phase.HALF_OPEN
            breaker.tick(now)
            self._changed(slots, breaker)
            if is_idle and breaker.phase is Phase.HALF_OPEN:
                # Nobody has asked for the trial: those who wait for others alone, as this one failed them, may make it.
                slots.recoveries += 1
                self._wake(slots)
            if breaker.is_over(now):
                self._forget(slots, replica)

    def _watch(self, slots: Slots, replica: Replica | None) -> Breaker:
        breaker = slots.breaker = Breaker(self._rules)
        self._watched[slots] = replica
        return breaker

    def _forget(self, slots: Slots, replica: Replica | None) -> None:
        slots.breaker = None
        slots.total = slots.size
        del self._watched[slots]
        if replica is not None:
            replica.let_go()

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
                if slots in (replica.slots, replica.hold) and replica.is_routable:
                    self._fleet.freed(replica)
                    break
