"""What becomes of an attempt: its server's breaker is told, and another replica is tried or not."""

import asyncio

from remuda.core.faults import Fault, ShuttingDown, Unavailable, UpstreamFailed, UpstreamSilent
from remuda.fleet.breakers import Breakers
from remuda.fleet.registry import Model
from remuda.fleet.replica import Replica
from remuda.gateway.exchange import Exchange

RETRIED = (UpstreamFailed, Unavailable)
"""Faults of one replica that another one may not have."""


class Attempts:
    """Called where an attempt failed, and for those on servers that are in trouble already. Others cost nothing."""

    def __init__(self, breakers: Breakers, *, max_attempts: int = 3) -> None:
        self._breakers = breakers
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
    ) -> bool:
        """An attempt on `replica`, the last one of `tried`, ended with `error`: whether another one is to be made."""
        fault = exchange.interruption if isinstance(error, asyncio.CancelledError) else error
        if is_the_servers(fault):
            self._breakers.failed(replica, mark)
        elif mark:
            # A refusal is an answer too; all else (the client left, a bug of ours) tells nothing of the server.
            tell = self._breakers.succeeded if isinstance(error, Fault) else self._breakers.abandoned
            tell(replica, mark)
        return (
            isinstance(error, RETRIED)
            and not exchange.head_sent
            and exchange.attempts < self._max_attempts
            and any(each.is_routable and each not in tried for each in model.replicas)
        )


def is_the_servers(fault: BaseException | None) -> bool:
    """Whether the model's server is to blame for it."""
    return isinstance(fault, UpstreamFailed | UpstreamSilent | Unavailable) and not isinstance(fault, ShuttingDown)
