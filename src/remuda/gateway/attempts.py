"""What becomes of an attempt: its server's breaker is told, and another replica is tried or not."""

import asyncio
import logging
from typing import Final, TypeGuard

from remuda.core.ask import Operation
from remuda.core.faults import (
    Fault,
    LoopDetected,
    NotOffered,
    RateLimited,
    ShuttingDown,
    Unavailable,
    UpstreamFailed,
    UpstreamSilent,
)
from remuda.fleet.breakers import Breakers, Mark
from remuda.fleet.registry import Model
from remuda.fleet.replica import Replica, ReplicaState
from remuda.gateway.exchange import Exchange, Setback
from remuda.gateway.retry_budget import RetryBudget
from remuda.gateway.tried import Tried

log = logging.getLogger(__name__)

RETRIED = (UpstreamFailed, UpstreamSilent, Unavailable, RateLimited)
"""Faults of one replica that another one may not have. Limits of our own are said before anything is sent."""

PAUSE_S: Final = 0.5
MAX_PAUSE_S: Final = 4.0
"""How long a server that was not there is left alone by the same request: twice as long each time, up to this."""


class Attempts:
    """Called where an attempt failed, and for those on servers that are in trouble already. Others cost nothing."""

    def __init__(
        self, breakers: Breakers, budget: RetryBudget, *, max_attempts: int = 3, patience_s: float = 60.0
    ) -> None:
        """`patience_s`: how long a request may wait, in all."""
        self._breakers = breakers
        self._budget = budget
        self._max_attempts = max_attempts
        self._patience_s = patience_s
        self.begun = breakers.begun
        self.answered = breakers.succeeded

    def go_on(
        self,
        error: BaseException,
        exchange: Exchange,
        replica: Replica,
        mark: Mark | None,
        model: Model,
        tried: Tried,
        live: int,
    ) -> bool:
        """An attempt on `replica`, the last one of `tried`, ended with `error`, while `live` requests are under way:
        whether another attempt is to be made. If so, an interruption that the replica was the cause of is over, and the
        exchange has the setback noted."""
        fault = exchange.interruption if isinstance(error, asyncio.CancelledError) else error
        if not is_the_servers(fault):
            if mark is not None:
                # A refusal is an answer too; all else (the client left, a bug of ours) tells nothing of the server.
                tell = self._breakers.succeeded if isinstance(error, Fault) else self._breakers.abandoned
                tell(replica, mark)
            return isinstance(fault, LoopDetected | NotOffered) and self._asks_another(
                fault, exchange, model, tried, live
            )
        if isinstance(fault, RateLimited):
            # It is well, and has too much to do; its answer would be the same if it were asked again at once.
            if mark is not None:
                self._breakers.succeeded(replica, mark)
        else:
            self._breakers.failed(replica, mark, is_there=not (isinstance(fault, UpstreamFailed) and fault.is_unsent))
        if _is_told(exchange):
            return False
        setback = self._setback(fault, exchange, replica, model, tried, live)
        if setback is None:
            return False
        log.info("request %s: %s: to be tried again (%s)", exchange.id, replica.id, fault)
        exchange.interruption = None
        exchange.setback = setback
        return True

    def _asks_another(
        self, fault: LoopDetected | NotOffered, exchange: Exchange, model: Model, tried: Tried, live: int
    ) -> bool:
        """Whether somebody else is to be asked at once: this server is well, but lacks what the request needs, or leads
        back to where the request has been. Another one may be of another kind, or have the model in another way."""
        if exchange.attempts >= self._max_attempts or _is_told(exchange):
            return False
        counts = isinstance(fault, NotOffered) and exchange.route.operation is Operation.COUNT_TOKENS
        others = [each for each in model.replicas if each.is_routable and each not in tried]
        if counts:
            others = [each for each in others if each.engine.counts_tokens]
        if not others or not (counts or self._budget.take(live)):  # a count takes no slot, and is no load
            return False
        exchange.setback = Setback(fault, None, 0 if exchange.setback is None else exchange.setback.unsent)
        return True

    def _setback(
        self, fault: Fault, exchange: Exchange, replica: Replica, model: Model, tried: Tried, live: int
    ) -> Setback | None:
        """What `fault` is to the exchange where another attempt may be made: on another replica if there is one, or on
        one that has recovered, else on the same once more, if that was not there, or has said when to come again."""
        unsent = 0 if exchange.setback is None else exchange.setback.unsent
        others = [each for each in model.replicas if _may_come(each) and not tried.bars(each)]
        if isinstance(fault, UpstreamFailed) and fault.is_unsent:
            unsent += 1
            if not any(each.is_routable for each in others):
                # It is waited for as a server on standby is. That costs no server anything, so the bounds on what
                # servers are asked do not count; the queue's do.
                return Setback(fault, min(MAX_PAUSE_S, PAUSE_S * 2 ** min(tried.count(replica) - 1, 10)), unsent)
        sent = exchange.attempts - unsent - tried.returns
        if sent >= self._max_attempts:
            return None
        rest_s: float | None = None
        has_hung_up = isinstance(fault, UpstreamFailed) and fault.is_hang_up and fault is not exchange.interruption
        if replica.is_restarted and has_hung_up and sent == 1:
            # It has crashed: its successor comes at once. Not for a second time, as this request may be the cause.
            rest_s = PAUSE_S
        if fault.is_dated and fault.retry_after_s is not None:
            rest_s = float(fault.retry_after_s)
            if rest_s > self._patience_s - exchange.queue_wait_s:
                rest_s = None
        if (not others and rest_s is None) or not self._budget.take(live):
            return None
        return Setback(fault, rest_s, unsent)

    def may_continue(self, exchange: Exchange, live: int) -> bool:
        """Whether one more attempt may be made for a stream that has broken off."""
        return not exchange.disconnected and exchange.attempts < self._max_attempts and self._budget.take(live)


def _is_told(exchange: Exchange) -> bool:
    """Whether the client has something of the answer already, or has left."""
    return (exchange.head_sent and not exchange.is_kept_alive) or exchange.disconnected


def _may_come(replica: Replica) -> bool:
    """Whether it can be chosen, or will be once its server answers again: then it is waited for."""
    return replica.state is not ReplicaState.DRAINING


def is_the_servers(fault: BaseException | None) -> TypeGuard[Fault]:
    """Whether the model's server is to blame for it; then another one may do better."""
    return isinstance(fault, RETRIED) and not isinstance(fault, ShuttingDown)
