"""The request's way, in order. Entering a step acquires, leaving gives back: a vanished client unwinds everything."""

import asyncio
import logging
from collections.abc import Callable, Collection

from remuda.core.faults import ClientGone, Fault, Forbidden
from remuda.fleet.replica import Replica
from remuda.gateway.attempts import Attempts
from remuda.gateway.authenticate import Admits
from remuda.gateway.continue_ import Broken, Continuations, Continuer, broken_stream
from remuda.gateway.exchange import LAST_CHUNK, Exchange
from remuda.gateway.face import Answered
from remuda.gateway.forward import Forwarder
from remuda.gateway.limit import Limiter
from remuda.gateway.read import read_ask
from remuda.gateway.record import LEFT, Recorder
from remuda.gateway.relay import Passing, Relay
from remuda.gateway.route import Lease, Router
from remuda.gateway.settle import Settler
from remuda.gateway.tried import Tried

log = logging.getLogger(__name__)


class Pipeline:
    """Takes one exchange from its head to its record."""

    def __init__(
        self,
        gatekeeper: Admits,
        limiter: Limiter,
        router: Router,
        forwarder: Forwarder,
        relay: Relay,
        recorder: Recorder,
        settler: Settler,
        attempts: Attempts,
        monotonic: Callable[[], float],
        *,
        observe_abort: Callable[[float], None] = lambda seconds: None,
        continuations: Continuations | None = None,
        max_decompressed_bytes: int = 64 * 1024 * 1024,
        live: set[Exchange] | None = None,
    ) -> None:
        self._gatekeeper = gatekeeper
        self._limiter = limiter
        self._router = router
        self._forwarder = forwarder
        self._relay = relay
        self._recorder = recorder
        self._settler = settler
        self._attempts = attempts
        self._continuer = Continuer(router, forwarder, attempts, self._broken_off, continuations or Continuations())
        self._monotonic = monotonic
        self._observe_abort = observe_abort
        self._max_decompressed_bytes = max_decompressed_bytes
        self._at_rest: asyncio.Future[None] | None = None
        self.live = set[Exchange]() if live is None else live
        """Exchanges being answered: `slots in use` is the number of those that have been sent on."""

    async def rest(self) -> None:
        """Until nothing is under way; for one caller, once."""
        if self.live:
            self._at_rest = asyncio.get_running_loop().create_future()
            await self._at_rest

    async def serve(self, exchange: Exchange) -> None:
        """Answer `exchange`, whatever happens, and record it."""
        self.live.add(exchange)
        try:
            if exchange.interruption is not None:
                raise exchange.interruption
            caller = self._gatekeeper.admit(
                exchange.headers, exchange.peer, exchange.route.scope, fields=exchange.fields
            )
            exchange.caller_id = caller.key_id
            ask = read_ask(exchange, self._max_decompressed_bytes)
            with self._limiter.grant(caller, ask, exchange.fields):
                model = self._router.find(ask, exchange)
                if self._recorder.keeps_content or exchange.route.is_logged:
                    self._recorder.capture_prompt(exchange, ask)
                tried: Collection[Replica] = ()
                passing: Passing | None = None
                broken: Broken | None = None
                while broken is None:
                    lease = self._router.lease(model, ask, exchange, tried)
                    lease = lease or await self._router.wait(model, ask, exchange, tried)
                    with lease:
                        replica = lease.replica
                        exchange.replica = replica.id
                        exchange.attempts += 1
                        is_calm = replica.slots.breaker is None and replica.hold is None
                        mark = None if is_calm else self._attempts.begun(replica)
                        try:
                            with await self._forwarder.send(exchange, ask, replica) as answer:
                                if mark is not None:
                                    self._attempts.answered(replica, mark)
                                passing = self._relay.pass_on(answer, exchange, ask, replica)
                                if passing is not None:
                                    try:
                                        await passing.done
                                        passing.conclude()
                                    finally:
                                        passing.settle()
                            return
                        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - see broken_stream
                            self._broken_off(error, lease, exchange)
                            tried = failed = Tried(tried, replica)
                            if not self._attempts.go_on(error, exchange, replica, mark, model, failed, len(self.live)):
                                broken = broken_stream(error, exchange, replica, passing)
                await self._continuer.go_on(broken, exchange, ask, model, tried, len(self.live))
        except (Fault, Answered) as said:
            self._say(said, exchange)
        except asyncio.CancelledError:
            self._say(exchange.interruption or ClientGone(), exchange)
        except Exception:
            log.exception("request %s failed inside the gateway", exchange.id)
            self._say(Fault(), exchange)
        finally:
            self._recorder.close(exchange)
            self.live.discard(exchange)
            exchange.drive = None
            if self._at_rest is not None:
                self._may_be_at_rest(self._at_rest)

    def _may_be_at_rest(self, at_rest: "asyncio.Future[None]") -> None:
        if not self.live and not at_rest.done():
            at_rest.set_result(None)

    def _broken_off(self, error: BaseException, lease: Lease, exchange: Exchange) -> None:
        """Where we have just closed the upstream connection ourselves, its engine may work on for a while."""
        if isinstance(error, asyncio.CancelledError):
            if exchange.left_at is not None:
                self._observe_abort(self._monotonic() - exchange.left_at)
            self._settler.settle(lease)

    def _say(self, fault: Fault | Answered, exchange: Exchange) -> None:
        """Tell the client what went wrong, in the place where its answer stands; or what took no engine to answer."""
        if isinstance(fault, Answered):
            exchange.model, exchange.status = fault.model, 200
            return exchange.answer(200, fault.headers, fault.body)
        if isinstance(fault, Forbidden):
            exchange.caller_id = fault.key_id
        if isinstance(fault, ClientGone) or exchange.disconnected:
            exchange.failed(fault if isinstance(fault, ClientGone) else ClientGone(), LEFT)
        elif not exchange.head_sent:
            exchange.failed(fault, exchange.refuse(fault))
        elif exchange.response_complete:
            exchange.failed(fault, exchange.status)
        elif exchange.is_streamed:
            exchange.failed(fault, exchange.status)
            said = exchange.route.face.stream_error(fault, exchange.id)
            is_chunked = not exchange.is_http10
            exchange.keep_alive = False
            exchange.finish(b"%x\r\n%b\r\n%b" % (len(said), said, LAST_CHUNK) if is_chunked else said)
        else:
            exchange.failed(fault, exchange.status)
            exchange.break_off()
