"""The lane's exchanges under way, each from its last byte in to its record."""

import asyncio
from collections.abc import Callable
from typing import Final

from remuda.core.clock import Clock
from remuda.core.faults import Fault, LoopDetected, ShuttingDown
from remuda.core.ids import Ids, accepted_request_id
from remuda.fleet.breakers import Breakers
from remuda.fleet.registry import Fleet
from remuda.gateway.authenticate import Gatekeeper, credential_of, session_of
from remuda.gateway.drive import Drive
from remuda.gateway.exchange import Exchange
from remuda.gateway.forward import Forwarder
from remuda.gateway.headers import Cors, block_of
from remuda.gateway.lane import UNASKED_DIGITS
from remuda.gateway.pipeline import Pipeline
from remuda.gateway.record import Recorder
from remuda.gateway.settle import Settler
from remuda.wire.tracestate import tracestate_of
from remuda.wire.via import via_of

SWEEP_S: Final = 0.25
"""How often deadlines are looked at."""
TIDY_S: Final = 1.0
"""How often connections to upstreams are looked at, which goes through every replica of the fleet."""
IDLE_UPSTREAM_S: Final = 30.0
"""How long an idle upstream connection is kept; shorter than the keep-alive of common servers."""


class Gateway:
    """Runs the pipeline for each exchange and keeps watch over them."""

    def __init__(
        self,
        pipeline: Pipeline,
        gatekeeper: Gatekeeper,
        recorder: Recorder,
        forwarder: Forwarder,
        settler: Settler,
        breakers: Breakers,
        fleet: Fleet,
        clock: Clock,
        ids: Ids,
        cors: Cors,
        pseudonym: str = "",
    ) -> None:
        """`pseudonym`: what this gateway calls itself to other Remudas."""
        self._pipeline = pipeline
        self._gatekeeper = gatekeeper
        self._recorder = recorder
        self._forwarder = forwarder
        self._settler = settler
        self._breakers = breakers
        self._fleet = fleet
        self._monotonic: Callable[[], float] = clock.monotonic
        self._wall: Callable[[], float] = clock.wall
        self._ids = ids
        self._cors = cors
        self._pseudonym = pseudonym
        self._loop = asyncio.get_running_loop()
        self._is_draining = False
        self._next_tidy = 0.0
        self.on_open: Callable[[Exchange], None] | None = None
        """Told of each request when it has its id, before anything is decided about it; None while nobody cares."""
        self.live = pipeline.live
        """Exchanges being answered: with leases, the invariant `slots in use == live asks sent` is checked."""

    def accept(self, exchange: Exchange) -> None:
        """Answer a request that is whole."""
        self._open(exchange)
        if self._is_draining:
            exchange.keep_alive = False
            exchange.interruption = ShuttingDown(retry_after_s=1)
        drive = Drive(self._pipeline.serve(exchange), self._loop)
        if not drive.is_over:
            exchange.drive = drive
            if exchange.interruption is not None:
                drive.cancel()

    def refuse(self, exchange: Exchange, fault: Fault) -> None:
        """Refuse a request that never became whole; it is recorded like any other."""
        self._open(exchange)
        exchange.failed(fault, exchange.refuse(fault))
        self._recorder.close(exchange)

    def objection(self, exchange: Exchange) -> Fault | None:
        """A caller without leave, before a body that is not small is taken in: nobody unknown shall fill our memory."""
        length = exchange.fields.get(b"content-length")
        if length is not None and len(length) < UNASKED_DIGITS:
            return None
        try:
            self._gatekeeper.admit(exchange.headers, exchange.peer, exchange.route.scope)
        except Fault as fault:
            return fault
        return None

    def sweep(self) -> None:
        """End what has passed its time; called every SWEEP_S."""
        now = self._monotonic()
        for exchange in list(self.live):
            exchange.check(now)
        self._recorder.flush()
        self._breakers.tick()
        if now >= self._next_tidy:
            self._next_tidy = now + TIDY_S
            self._forwarder.sweep(self._fleet.replicas(), self._loop.time() - IDLE_UPSTREAM_S)

    def drain(self) -> None:
        """Refuse requests that are not whole yet; those under way go on."""
        self._is_draining = True

    async def close(self) -> None:
        """End what is still under way, each with its dialect's word for it, and close all connections."""
        self.drain()
        for exchange in list(self.live):
            exchange.interrupt(ShuttingDown(retry_after_s=1))
        await self._pipeline.rest()
        self._recorder.flush()
        await self._settler.close()
        self._forwarder.close()

    def _open(self, exchange: Exchange) -> None:
        exchange.started = self._monotonic()
        exchange.started_wall = self._wall()
        fields = exchange.fields
        given = fields.get(b"x-request-id")
        if given is not None:
            exchange.identify(accepted_request_id(given, credential_of(fields) or session_of(fields)) or self._ids())
        else:
            exchange.identify(self._ids())
        origin = fields.get(b"origin")
        if origin is not None:
            exchange.cors_block = block_of(self._cors.headers(origin))
        if b"tracestate" in fields:
            exchange.fields = {**fields, b"tracestate": tracestate_of(exchange.headers)}
        if b"via" in fields:
            self._note_via(exchange)
        if self.on_open is not None:
            self.on_open(exchange)

    def _note_via(self, exchange: Exchange) -> None:
        try:
            exchange.via = via_of(exchange.headers)
            if exchange.via is not None and self._pseudonym in exchange.via.hops:
                raise LoopDetected
        except LoopDetected as loop:
            exchange.interruption = loop
