"""Between `relay` and `record`, only where a stream has broken off: another replica goes on where it stopped.

The first bytes are with the client, so nothing can be said anew. Where the engine kept what it takes
(`engines.protocol.Continuation`), a replica of the same kind of engine that calls the model by the same name is asked
for the rest, and its answer runs through the very relay of the one that broke off. The same name, because the rest has
to come from the same weights and the same template: replicas of one model may have other names for it where an operator
has put them together, and then they are not the same. Where it cannot be had, the client is told of the first failure.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from typing import Final

from remuda.core.ask import Ask
from remuda.core.faults import Fault, RateLimited, StreamCut, Unavailable, WaitedTooLong
from remuda.engines.protocol import Outgoing
from remuda.fleet.breakers import Mark
from remuda.fleet.registry import Model
from remuda.fleet.replica import Replica, ReplicaState
from remuda.gateway.attempts import Attempts, is_the_servers
from remuda.gateway.drive import Signal
from remuda.gateway.exchange import Exchange
from remuda.gateway.forward import Forwarder
from remuda.gateway.passing import FOLDED_BYTES, too_large
from remuda.gateway.relay import Passing
from remuda.gateway.route import Lease, Router
from remuda.gateway.splice import Splice
from remuda.gateway.tried import Tried

log = logging.getLogger(__name__)

CONTINUED: Final = "continued"
FAILED: Final = "failed"
ABANDONED: Final = "abandoned"
"""What becomes of a stream that could be continued: the last where its client left meanwhile."""


class Continuations:
    """What became of streams that could be continued, since the start."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys((CONTINUED, FAILED, ABANDONED), 0)


class Broken:
    """A stream that has broken off, and may be continued."""

    __slots__ = ("fault", "passing", "replica")

    def __init__(self, passing: Splice, replica: Replica, fault: Fault) -> None:
        self.passing = passing
        self.replica = replica
        self.fault = fault
        """What the client is told where nobody goes on."""


class Continuer:
    """Has broken streams continued."""

    def __init__(
        self,
        router: Router,
        forwarder: Forwarder,
        attempts: Attempts,
        broken_off: Callable[[BaseException, Lease, Exchange], None],
        continuations: Continuations,
    ) -> None:
        self._router = router
        self._forwarder = forwarder
        self._attempts = attempts
        self._broken_off = broken_off
        """Is told of each attempt that ends early, as the pipeline's own are."""
        self._counts = continuations.counts

    async def go_on(
        self, broken: Broken, exchange: Exchange, ask: Ask, model: Model, tried: Collection[Replica], live: int
    ) -> None:
        """Return once the stream has ended well; raises the fault that it broke off with where nobody could go on."""
        exchange.interruption = None
        served = exchange.model
        outcome = FAILED
        try:
            await self._until_whole(broken, exchange, ask, model, Unfit(broken.replica, tried), live)
            outcome = CONTINUED
        finally:
            exchange.model = served  # of an alias of several models it is still this one
            self._counts[ABANDONED if exchange.disconnected else outcome] += 1

    async def _until_whole(
        self, broken: Broken, exchange: Exchange, ask: Ask, model: Model, unfit: "Unfit", live: int
    ) -> None:
        passing, fault = broken.passing, broken.fault
        while passing.can_continue:
            try:
                if passing.asks(()) is None:
                    return await _end(passing)
                if not may_come(model, broken.replica, unfit) or not self._attempts.may_continue(exchange, live):
                    break
                lease = self._router.claim(model, ask, exchange, unfit)
                lease = lease or await self._router.wait(model, ask, exchange, unfit)
            except (Fault, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError):
                    if not isinstance(exchange.interruption, WaitedTooLong):
                        raise
                    exchange.interruption = None
                raise fault from error
            with lease:
                replica = lease.replica
                log.info("request %s: %s goes on for %s (%s)", exchange.id, replica.id, broken.replica.id, fault)
                exchange.replica = replica.id
                exchange.attempts += 1
                mark = self._attempts.begun(replica)
                try:
                    await self._rest_from(replica, mark, passing, exchange, ask)
                    return
                except (Exception, asyncio.CancelledError) as error:
                    self._broken_off(error, lease, exchange)
                    unfit.add(replica)
                    self._attempts.go_on(error, exchange, replica, mark, model, Tried(), live)  # the breaker is told
                    if isinstance(error, asyncio.CancelledError) and is_the_servers(exchange.interruption):
                        exchange.interruption = None  # it has fallen silent
                    elif not isinstance(error, Fault):
                        raise
                    elif not is_the_servers(error):
                        raise fault from error  # it refuses to go on, which is no matter of the client's
        raise fault

    async def _rest_from(
        self, replica: Replica, mark: Mark | None, passing: Splice, exchange: Exchange, ask: Ask
    ) -> None:
        """Have `replica` say the rest."""
        exchange.identify(exchange.id)  # what a stream needs no more was forgotten when it began
        answers: list[bytes] = []
        while (outgoing := passing.asks(answers)) is not None and not outgoing.is_streamed:
            answers.append(await self._asked(replica, outgoing, exchange, ask))
        if outgoing is None:
            return await _end(passing)
        with await self._forwarder.send(exchange, ask, replica, outgoing) as answer:
            if mark is not None:
                self._attempts.answered(replica, mark)
            try:
                passing.resume(answer, replica.deadlines.silence_s)
                await passing.done
            finally:
                passing.settle()

    async def _asked(self, replica: Replica, outgoing: Outgoing, exchange: Exchange, ask: Ask) -> bytes:
        """What `replica` answers, whole."""
        with await self._forwarder.send(exchange, ask, replica, outgoing) as answer:
            if answer.is_complete:
                return answer.take_body()
            whole = _Whole()
            exchange.watch(answer, replica.deadlines.silence_s)
            try:
                answer.attach(whole)
                await whole.done
            finally:
                exchange.unwatch()
            return bytes(whole.data)


async def _end(passing: Splice) -> None:
    """Say what is missing where that is nothing of the answer itself."""
    try:
        passing.end()
        await passing.done
    finally:
        passing.settle()


def broken_stream(error: BaseException, exchange: Exchange, replica: Replica, passing: Passing | None) -> Broken:
    """What can be continued of an answer that has ended with `error`; raises that again where nothing can."""
    fault = exchange.interruption if isinstance(error, asyncio.CancelledError) else error
    if (
        isinstance(fault, StreamCut | Unavailable | RateLimited)
        and isinstance(passing, Splice)
        and passing.can_continue
    ):
        return Broken(passing, replica, fault)
    raise error


def may_come(model: Model, first: Replica, unfit: "Unfit") -> bool:
    """Whether there is one that could go on, or will be: an engine of ours is started again where it crashed; once, for
    if it crashes again, this very request may be why."""
    return (first.is_restarted and first.id not in unfit.given_up) or any(
        each not in unfit and each.state is not ReplicaState.DRAINING for each in model.replicas
    )


class Unfit(Collection[Replica]):
    """The replicas that cannot go on for one: those unlike it, and those that have failed and not recovered."""

    def __init__(self, first: Replica, tried: Collection[Replica]) -> None:
        self._first = first
        self._tried = Tried(tried)
        self.given_up: set[str] = set()
        """Ids of replicas that have failed again after their engine was started anew."""

    def add(self, replica: Replica) -> None:
        """It has failed too."""
        if any(replica.id == each.id for each in self._tried):
            self.given_up.add(replica.id)
        self._tried = Tried(self._tried, replica)

    def __contains__(self, replica: object) -> bool:
        first = self._first
        return not (
            isinstance(replica, Replica)
            and not self._tried.bars(replica)
            and replica.id not in self.given_up
            and replica.engine.kind == first.engine.kind
            and replica.upstream_model == first.upstream_model
        )

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._tried)

    def __len__(self) -> int:
        return len(self._tried)


class _Whole:
    """Receives a short answer."""

    __slots__ = ("data", "done")

    def __init__(self) -> None:
        self.data = bytearray()
        self.done = Signal()

    def body(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > FOLDED_BYTES:
            self.cut(too_large())

    def end(self) -> None:
        self.done.set()

    def cut(self, fault: Fault) -> None:
        self.done.set(fault)
