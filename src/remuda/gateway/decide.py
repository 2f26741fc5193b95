"""Part of the step `route`: what is kept of a choice. Nothing is where a first attempt had nobody else to go to."""

from collections.abc import Collection, Sequence

import msgspec

from remuda.core.decision import IDLE, MAX_KEPT, MAX_TOLD, ONLY, SESSION, Decision
from remuda.core.faults import StreamCut
from remuda.fleet.registry import Model
from remuda.fleet.replica import Replica, ReplicaState
from remuda.gateway.exchange import Exchange


def note(exchange: Exchange, by: str, choice: Replica, candidates: Sequence[Replica]) -> Decision:
    """`choice`, of `candidates`, gets the next attempt of `exchange`; called before it takes a slot."""
    told = candidates[:MAX_TOLD]
    of = tuple([(each.id, each.slots.in_use, each.slots.total) for each in told])
    if len(candidates) == 1 and by != SESSION:
        by = ONLY
    return _kept(exchange, Decision(exchange.attempts + 1, by, choice.id, of, len(candidates) - len(told)))


def note_idle(exchange: Exchange, choice: Replica, others: int) -> None:
    """`choice` has nothing to do, and gets the next attempt without a look at the `others`."""
    of = ((choice.id, choice.slots.in_use, choice.slots.total),)
    _kept(exchange, Decision(exchange.attempts + 1, IDLE, choice.id, of, others))


def note_chain(exchange: Exchange, alias: Model, model: Model, choice: Replica, tried: Collection[Replica]) -> None:
    """`alias` stands for `model` this time, of which `choice` gets the next attempt; called after it took its slot."""
    passed_over = []
    for each in alias.chain:
        if each is model:
            break
        passed_over.append((each.name, _why_not(each, exchange, tried)))
    decisions = exchange.decisions
    if not decisions or decisions[-1].attempt <= exchange.attempts:  # nobody else could have been chosen
        of = ((choice.id, choice.slots.in_use - 1, choice.slots.total),)
        _kept(exchange, Decision(exchange.attempts + 1, ONLY, choice.id, of))
    *before, last = exchange.decisions
    chained = msgspec.structs.replace(last, alias=alias.name, model=model.name, passed_over=tuple(passed_over))
    exchange.decisions = (*before, chained)


def _kept(exchange: Exchange, decision: Decision) -> Decision:
    if not exchange.attempts:
        exchange.decisions = (decision,)
        return decision
    before = exchange.decisions
    if not before or before[-1].attempt < exchange.attempts:  # there was nothing to choose the last time
        before = (*before, Decision(exchange.attempts, ONLY, exchange.replica))
    decision = msgspec.structs.replace(decision, after=_why_again(exchange))
    exchange.decisions = (*before, decision)[-MAX_KEPT:]
    return decision


def _why_again(exchange: Exchange) -> str:
    if exchange.has_begun:
        return StreamCut.code
    return "" if exchange.setback is None else exchange.setback.fault.code


def _why_not(model: Model, exchange: Exchange, tried: Collection[Replica]) -> str:
    """Why no replica of `model` could be taken."""
    replicas = model.replicas
    if not replicas:
        return "not served"
    if any(replica.is_routable for replica in replicas):  # then all of them are in `tried`
        return "cannot go on with it" if exchange.has_begun else "failed the request"
    states = {replica.state for replica in replicas}
    if ReplicaState.ACTIVE in states:
        return "held back"
    return "standby" if ReplicaState.STANDBY in states else "draining"
