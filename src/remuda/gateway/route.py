"""Step: a replica with a free slot, or a place in the model's queue until there is one."""

import asyncio
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final

from remuda.core.ask import Ask, Operation
from remuda.core.decision import COUNTING
from remuda.core.faults import Fault, QueueFull, UnknownModel, UpstreamFailed, WaitedTooLong
from remuda.core.priority import Priority
from remuda.fleet.policies.least_active import least_active
from remuda.fleet.registry import WILDCARD, Fleet, Model
from remuda.fleet.replica import Replica, ReplicaState
from remuda.gateway.choose import LEAST_ACTIVE, Chooser
from remuda.gateway.decide import note, note_chain, note_idle
from remuda.gateway.defaults import Defaults
from remuda.gateway.exchange import Exchange
from remuda.gateway.priority import priority_in
from remuda.gateway.tried import Tried
from remuda.gateway.waiting import KeepAlive, eta_s, note_grant, position_of, retry_after

ACTIVE = ReplicaState.ACTIVE
MANY: Final = 4
"""Replicas beyond which one with nothing to do is taken without looking at the others."""
LOOKED_AT: Final = 8
"""How many are looked at for that."""


class Lease:
    """One slot of a replica, held by one ask; given back exactly once."""

    __slots__ = ("_fleet", "_hold", "_is_held", "_is_kept", "replica")

    def __init__(self, fleet: Fleet, replica: Replica) -> None:
        replica.slots.in_use += 1
        hold = self._hold = replica.hold
        if hold is not None:
            hold.in_use += 1
        self._fleet = fleet
        self._is_held = True
        self._is_kept = False
        self.replica = replica

    def __enter__(self) -> "Lease":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_held and not self._is_kept:
            self.give_back()

    @property
    def is_held(self) -> bool:
        """Whether there is a slot to give back."""
        return self._is_held

    def keep(self) -> None:
        """Leaving the `with` shall not give the slot back: somebody else will, once the engine is idle again."""
        self._is_kept = True

    def give_back(self) -> None:
        """The slot is free again; whoever waits for one gets it."""
        if self._is_held:
            self._is_held = False
            self.replica.slots.in_use -= 1
            if self._hold is not None:
                self._hold.in_use -= 1
            if self._fleet.queued:
                self._fleet.freed(self.replica)


class Visit(Lease):
    """A replica for something that takes none of its slots; there is nothing to give back."""

    __slots__ = ()

    def __init__(self, replica: Replica) -> None:
        self._is_held = self._is_kept = False
        self.replica = replica


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Bounds of each model's queue."""

    waiting: int = 1024
    waiting_bytes: int = 256 * 1024 * 1024
    wait_s: float = 60.0


class Router:
    """Finds models by name and leases their slots, to those who wait in the order of the model's queue."""

    def __init__(
        self,
        fleet: Fleet,
        limits: QueueLimits,
        monotonic: Callable[[], float],
        chooser: Chooser | None = None,
        keep_alive: KeepAlive | None = None,
        defaults: Defaults | None = None,
        weight_of: Callable[[str], float] = lambda key_id: 1.0,
    ) -> None:
        """`weight_of` is asked for a key's share of the turns, when it has to wait for one."""
        self._fleet = fleet
        self._limits = limits
        self.weight_of = weight_of
        self._monotonic = monotonic
        self._defaults = defaults
        self._keep_alive = keep_alive if keep_alive is not None else KeepAlive(0, 0)
        self.chooser = chooser
        """None: the least active one is taken, whatever is asked; nothing is looked up for it."""

    def find(self, ask: Ask, exchange: Exchange) -> Model:
        """The model that `ask` means, noted in the exchange; what it does not say of parameters is filled in. Raises
        UnknownModel."""
        name = ask.model
        model = self._fleet.find(name)
        if model is None:
            exchange.model = name[:200]
            raise UnknownModel(f"there is no model called {name[:200]!r} here", parameter="model", received=name[:200])
        exchange.model = model.name if model.name != WILDCARD else name[:200]
        if self._defaults is not None:
            self._defaults.apply(ask, exchange.model)
        return model

    def lease(self, model: Model, ask: Ask, exchange: Exchange, tried: Collection[Replica]) -> Lease | None:
        """A slot of the best replica that has not been tried yet, at once; None where all are taken or others wait."""
        if ask.operation is Operation.COUNT_TOKENS and (visit := self._visit(model, exchange, tried)) is not None:
            return visit
        if self._fleet.queued and model.waiting:
            return None
        return self.claim(model, ask, exchange, tried)

    def _visit(self, model: Model, exchange: Exchange, tried: Collection[Replica]) -> Visit | None:
        """A replica that answers without a slot, whoever waits for one; best one that can. None where none is there:
        it is waited for as for all else."""
        for each in model.chain or (model,):
            active = [replica for replica in each.replicas if replica.is_routable and replica not in tried]
            if active:
                if model.chain:
                    exchange.model = each.name
                choice = next((replica for replica in active if replica.engine.counts_tokens), active[0])
                if len(active) > 1 or exchange.attempts:
                    note(exchange, COUNTING, choice, active)
                return Visit(choice)
        return None

    def claim(self, model: Model, ask: Ask, exchange: Exchange, tried: Collection[Replica]) -> Lease | None:
        """As `lease`, without regard to who waits."""
        if model.chain:
            return self._claim_of_several(model, ask, exchange, tried)
        replicas = model.replicas
        turn = model.turn = model.turn + 1
        if self.chooser is None and len(replicas) > MANY and (idle := _idle(replicas, turn, tried)) is not None:
            note_idle(exchange, idle, len(replicas) - 1)
            return Lease(self._fleet, idle)
        candidates = []
        for replica in replicas:
            slots, hold = replica.slots, replica.hold
            if (
                slots.in_use < slots.total
                and replica.state is ACTIVE
                and (hold is None or hold.in_use < hold.total)
                and replica not in tried
            ):
                candidates.append(replica)
        if not candidates:
            return None
        if self.chooser is not None:
            choice = self.chooser.choose(candidates, model, ask, exchange)
        elif len(candidates) > 1 or exchange.attempts:
            choice = least_active(candidates, turn)
            note(exchange, LEAST_ACTIVE, choice, candidates)
        else:
            choice = candidates[0]
        return Lease(self._fleet, choice)

    def _claim_of_several(self, alias: Model, ask: Ask, exchange: Exchange, tried: Collection[Replica]) -> Lease | None:
        """As `claim`, for an alias of several models: of the first that can be served, even if others have free slots.
        A model that is busy is waited for: it was meant first."""
        for model in alias.chain:
            if any(replica.is_routable and replica not in tried for replica in model.replicas):
                exchange.model = model.name
                lease = self.claim(model, ask, exchange, tried)
                if lease is None:
                    exchange.model = alias.name
                else:
                    note_chain(exchange, alias, model, lease.replica, tried)
                return lease
        return None

    async def wait(self, model: Model, ask: Ask, exchange: Exchange, tried: Collection[Replica] = ()) -> Lease:
        """A slot, once one is free; raises QueueFull at once, WaitedTooLong (by the exchange's expiry) later.

        The time a request may wait counts from its first wait, however often it waits.
        """
        limits = self._limits
        size = ask.held_bytes
        setback = exchange.setback
        rest_s = None if setback is None else setback.rest_s
        if len(model.waiting) >= limits.waiting or model.waiting_bytes + size > limits.waiting_bytes:
            if setback is not None and rest_s is not None:
                raise setback.fault  # that there is no room to wait for its server's return is not what went wrong
            raise QueueFull(
                retry_after_s=retry_after(model),
                position=len(model.waiting) + 1,
                eta_s=eta_s(model, len(model.waiting) + 1),
            )
        if not any(replica.is_routable for replica in model.replicas):
            self._fleet.want(model)
        entered = self._monotonic()
        ticket = Ticket(self, model, ask, exchange, tried, entered)
        exchange.expires_at = entered + max(0.0, limits.wait_s - exchange.queue_wait_s)
        exchange.expiry_fault = partial(self._waited_too_long, model, ticket)
        self._fleet.enqueue(model, ticket, size, entered)
        timer = None
        try:
            if any(replica.free and replica.is_routable for replica in model.replicas):
                self._fleet.wake(model)  # what is free is not for those who wait, but may be for this one
            ticket.is_rested = rest_s is None
            if rest_s is not None:
                timer = asyncio.get_running_loop().call_later(rest_s, ticket.rested)
            if ask.is_streamed and exchange.route.face.takes_comments:
                self._keep_alive.watch(ticket)
            has_waited = not ticket.granted.done()
            lease = await ticket.granted
            if has_waited:
                note_grant(model, self._monotonic())
            return lease
        except BaseException:
            ticket.withdraw()
            raise
        finally:
            if timer is not None:
                timer.cancel()
            self._keep_alive.unwatch(ticket)
            self._fleet.dequeue(model, ticket, size)
            exchange.expires_at = None
            waited_s = self._monotonic() - entered
            exchange.queue_wait_s += waited_s
            exchange.upstream_s += waited_s

    def wake(self, model: Model) -> None:
        """Somebody who waits for `model` may take now what it could not before."""
        self._fleet.wake(model)

    def _waited_too_long(self, model: Model, ticket: "Ticket") -> WaitedTooLong:
        position = position_of(model, ticket)
        setback = ticket.exchange.setback
        why = "" if setback is None else f"; the last server asked: {setback.fault.message}"
        missed = (
            f"no slot for {model.name!r} came free" if model.replicas else f"no server came that has {model.name!r}"
        )
        fault = WaitedTooLong(
            f"{missed} within {self._limits.wait_s:g} s{why}",
            retry_after_s=retry_after(model),
            position=position,
            eta_s=None if position is None else eta_s(model, position),
        )
        is_unsent = setback is not None and isinstance(setback.fault, UpstreamFailed) and setback.fault.is_unsent
        fault.is_nobody_there = is_unsent or not any(replica.is_routable for replica in model.replicas)
        return fault


def _idle(replicas: Sequence[Replica], turn: int, tried: Collection[Replica]) -> Replica | None:
    """One that has nothing to do, near `turn`: none is less active, so that not all of many need to be looked at."""
    for number in range(turn, turn + LOOKED_AT):
        replica = replicas[number % len(replicas)]
        if not replica.slots.in_use and replica.free and replica.state is ACTIVE and replica not in tried:
            return replica
    return None


class Ticket:
    """A place in a model's queue."""

    __slots__ = (
        "_ask",
        "_has_begun",
        "_model",
        "_router",
        "_tried",
        "entered",
        "exchange",
        "granted",
        "is_rested",
        "key_id",
        "priority",
        "weight",
    )

    def __init__(
        self,
        router: Router,
        model: Model,
        ask: Ask,
        exchange: Exchange,
        tried: Collection[Replica] = (),
        entered: float = 0.0,
    ) -> None:
        self._router = router
        self._ask = ask
        self.exchange = exchange
        self._tried = tried
        self._model = model
        self.key_id = exchange.caller_id
        self.weight = router.weight_of(exchange.caller_id)
        self._has_begun = exchange.has_begun
        """Its answer has broken off: it had its turn, and only some replicas can go on with it."""
        self.priority = Priority.HIGH if self._has_begun else priority_in(exchange.fields)
        self.entered = entered
        """Monotonic time."""
        self.is_rested = False
        """Whether those that failed it may be asked once more, where there is no other."""
        self.granted: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()

    @property
    def model(self) -> Model:
        """What it waits for."""
        return self._model

    @property
    def wants(self) -> Hashable:
        """Which servers will do for it: all, where it has met none yet."""
        return (self._tried, self.is_rested) if self._tried else ()

    def wake(self) -> bool | None:
        """Take a slot if one is free; the first in the queue is woken first."""
        if self.granted.done():
            return None
        lease = self._claim(self._tried)
        if lease is None and self._tried and not self._has_begun:
            lease = self._claim_again()
        if lease is None:
            return False
        self.granted.set_result(lease)
        return True

    def _claim_again(self) -> Lease | None:
        """A slot of one of those that failed it, if one may do better now."""
        tried = self._tried
        if isinstance(tried, Tried) and len(barred := tried.barred()) < len(tried):
            lease = self._claim(tried.only(barred))
            if lease is not None:
                return lease
        if self.is_rested and all(replica in tried for replica in self._model.replicas if replica.is_routable):
            return self._claim(tried.only(()) if isinstance(tried, Tried) else ())  # no other is left
        return None

    def rested(self) -> None:
        """It is time to ask those that failed it once more."""
        self.is_rested = True
        self._router.wake(self._model)

    def _claim(self, tried: Collection[Replica]) -> Lease | None:
        return self._router.claim(self._model, self._ask, self.exchange, tried)

    def fail(self, fault: Fault) -> None:
        """The model will not come."""
        if not self.granted.done():
            self.granted.set_exception(fault)

    def withdraw(self) -> None:
        """A slot granted in the same moment goes back."""
        if self.granted.done() and not self.granted.cancelled() and self.granted.exception() is None:
            self.granted.result().give_back()
