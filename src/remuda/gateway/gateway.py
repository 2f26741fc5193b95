"""The lane's exchanges under way: each is a task from its last byte in to its record."""

import asyncio
from collections.abc import Callable
from typing import Final

from remuda.core.clock import Clock
from remuda.core.faults import Fault, ShuttingDown
from remuda.core.ids import Ids, accepted_request_id
from remuda.fleet.registry import Fleet
from remuda.gateway.exchange import Exchange
from remuda.gateway.forward import Forwarder
from remuda.gateway.headers import Cors, block_of
from remuda.gateway.pipeline import Pipeline
from remuda.gateway.record import Recorder
from remuda.gateway.settle import Settler

SWEEP_S: Final = 0.25
"""How often deadlines are looked at."""
IDLE_UPSTREAM_S: Final = 30.0
"""How long an idle upstream connection is kept; shorter than the keep-alive of common servers."""


class Gateway:
    """Runs the pipeline for each exchange and keeps watch over them."""

    def __init__(
        self,
        pipeline: Pipeline,
        recorder: Recorder,
        forwarder: Forwarder,
        settler: Settler,
        fleet: Fleet,
        clock: Clock,
        ids: Ids,
        cors: Cors,
    ) -> None:
        self._pipeline = pipeline
        self._recorder = recorder
        self._forwarder = forwarder
        self._settler = settler
        self._fleet = fleet
        self._monotonic: Callable[[], float] = clock.monotonic
        self._wall: Callable[[], float] = clock.wall
        self._ids = ids
        self._cors = cors
        self._loop = asyncio.get_running_loop()
        self._is_closing = False
        self.live: set[Exchange] = set()
        """Exchanges being answered: with leases, the invariant `slots in use == live asks sent` is checked."""

    def accept(self, exchange: Exchange) -> None:
        """Answer a request that is whole."""
        self._open(exchange)
        if self._is_closing:
            exchange.interruption = ShuttingDown(retry_after_s=1)
        self.live.add(exchange)
        exchange.task = self._loop.create_task(self._run(exchange))

    def refuse(self, exchange: Exchange, fault: Fault) -> None:
        """Refuse a request that never became whole; it is recorded like any other."""
        self._open(exchange)
        with self._recorder.open(exchange) as entry:
            entry.failed(fault, exchange.refuse(fault))

    def sweep(self) -> None:
        """End what has passed its time; called every SWEEP_S."""
        now = self._monotonic()
        for exchange in list(self.live):
            exchange.check(now)
        self._forwarder.sweep(self._fleet.replicas(), self._loop.time() - IDLE_UPSTREAM_S)

    async def close(self) -> None:
        """End what is still under way, each with its dialect's word for it, and close all connections."""
        self._is_closing = True
        while self.live:
            tasks = [exchange.task for exchange in self.live if exchange.task is not None]
            for exchange in list(self.live):
                exchange.interrupt(ShuttingDown(retry_after_s=1))
            await asyncio.wait(tasks)
        await self._settler.close()
        self._forwarder.close()

    async def _run(self, exchange: Exchange) -> None:
        exchange.has_begun = True
        try:
            await self._pipeline.serve(exchange)
        finally:
            self.live.discard(exchange)
            exchange.task = None

    def _open(self, exchange: Exchange) -> None:
        exchange.started = self._monotonic()
        exchange.started_wall = self._wall()
        for name, value in exchange.headers:
            if name == b"x-request-id":
                exchange.id = accepted_request_id(value) or ""
            elif name == b"origin":
                exchange.cors_block = block_of(self._cors.headers(value))
        if not exchange.id:
            exchange.id = self._ids()
