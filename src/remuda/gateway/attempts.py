"""What becomes of an attempt: its server's breaker is told, and another replica is tried or not."""

import asyncio
import logging

from remuda.core.faults import Fault, RateLimited, ShuttingDown, Unavailable, UpstreamFailed, UpstreamSilent
from remuda.fleet.breakers import Breakers
from remuda.fleet.registry import Model
from remuda.fleet.replica import Replica, ReplicaState
from remuda.gateway.exchange import Exchange
from remuda.gateway.retry_budget import RetryBudget

log = logging.getLogger(__name__)

RETRIED = (UpstreamFailed, UpstreamSilent, Unavailable, RateLimited)
"""Faults of one replica that another one may not have. Limits of our own are said before anything is sent."""


class Attempts:
    """Called where an attempt failed, and for those on servers that are in trouble already. Others cost nothing."""

    def __init__(self, breakers: Breakers, budget: RetryBudget, *, max_attempts: int = 3) -> None:
        self._breakers = breakers
        self._budget = budget
        self._max_attempts = max_attempts
        self.begun = breakers.begun
        self.answered = breakers.succeeded

    def go_on(
        self,
        error: BaseException,
        exchange: Exchange,
        replica: Replica,
        mark: int,
        model: Model,
        tried: tuple[Replica, ...],
        live: int,
    ) -> bool:
        """An attempt on `replica`, the last one of `tried`, ended with `error`, while `live` requests are under way:
        whether another attempt is to be made. If so, an interruption that the replica was the cause of is over."""
        fault = exchange.interruption if isinstance(error, asyncio.CancelledError) else error
        if not is_the_servers(fault):
            if (
                mark
            ):  # a refusal is an answer too; all else (the client left, a bug of ours) tells nothing of the server
                tell = self._breakers.succeeded if isinstance(error, Fault) else self._breakers.abandoned
                tell(replica, mark)
            return False
        if isinstance(fault, RateLimited):
            # It is well, and has too much to do; its answer would be the same if it were asked again at once.
            if mark:
                self._breakers.succeeded(replica, mark)
        else:
            self._breakers.failed(replica, mark)
        goes_on = (
            (not exchange.head_sent or exchange.is_kept_alive)
            and not exchange.disconnected
            and exchange.attempts < self._max_attempts
            and any(_may_come(each) and each not in tried for each in model.replicas)
            and self._budget.take(live)
        )
        if goes_on:
            log.info("request %s: %s: trying another (%s)", exchange.id, replica.id, fault)
            exchange.interruption = None
        return goes_on

    def may_continue(self, exchange: Exchange, live: int) -> bool:
        """Whether one more attempt may be made for a stream that has broken off."""
        return not exchange.disconnected and exchange.attempts < self._max_attempts and self._budget.take(live)


def _may_come(replica: Replica) -> bool:
    """Whether it can be chosen, or will be once its server answers again: then it is waited for."""
    return replica.state is not ReplicaState.DRAINING


def is_the_servers(fault: BaseException | None) -> bool:
    """Whether the model's server is to blame for it; then another one may do better."""
    return isinstance(fault, RETRIED) and not isinstance(fault, ShuttingDown)
