"""The composition root: every object is made here and handed down."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_network
from typing import Any

from remuda import __version__
from remuda.app.alerting import Alerting
from remuda.app.asgi import Parts, build_app
from remuda.app.aside import aside_of, attach_aside
from remuda.app.costs import Costs
from remuda.app.credentials import Credentials
from remuda.app.durable import Durable, worker_name
from remuda.app.exits import CommandError, Exit
from remuda.app.fanout import running_fanout
from remuda.app.insights import Insights, ledger_of
from remuda.app.keeping import Keeping
from remuda.app.key_use import KeyUse
from remuda.app.known_models import KnownModels
from remuda.app.lane_routes import lane_routes
from remuda.app.leadership import Leadership
from remuda.app.local_models import launcher_of, local_models_of
from remuda.app.monitoring import Monitored
from remuda.app.nodes import Nodes
from remuda.app.otel import Otel
from remuda.app.own_models import OwnModels
from remuda.app.readings import LoadTimes, attach_readings
from remuda.app.reload import watch_settings
from remuda.app.retention import start_retention
from remuda.app.rollups import Rollups
from remuda.app.sealing import Sealer
from remuda.app.settings import HealthSettings, Settings
from remuda.app.standing import Standing
from remuda.app.strategy import KeptStrategy
from remuda.app.suggesting import GatewayReadings, suggestions_of
from remuda.app.upstreams import UpstreamMaker
from remuda.app.users import KnownUsers
from remuda.app.watch_together import WatchTogether
from remuda.app.way import Way
from remuda.core.chance import system_chance
from remuda.core.clock import Clock, SystemClock
from remuda.core.faults import Fault
from remuda.core.ids import Ids, made_pseudonym, request_ids
from remuda.core.model_names import by_either_name
from remuda.core.record import RequestRecord
from remuda.core.tasks import Tasks
from remuda.dialects.openai.face import OpenAIFace
from remuda.engines import tiny
from remuda.engines.launch import EngineKind
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.local import LocalModels, LocalModelState
from remuda.engines.protocol import Engine
from remuda.engines.transformers.adapter import Transformers
from remuda.fleet.breaker import BreakerRules
from remuda.fleet.breakers import Breakers
from remuda.fleet.registry import Aliased, Asked, Asking, Fleet, FleetChange
from remuda.fleet.replica import Deadlines
from remuda.fleet.sources.local import SOURCE, LocalSource
from remuda.gateway.authenticate import Gatekeeper
from remuda.gateway.choosing import Choosing
from remuda.gateway.continue_ import Continuations
from remuda.gateway.face import LaneRoute
from remuda.gateway.gateway import SWEEP_S
from remuda.gateway.headers import Cors
from remuda.gateway.lane import Lane, LaneLimits
from remuda.gateway.record import Sink, each_to
from remuda.gateway.retry_budget import RetryBudget
from remuda.store.database import Store, open_store
from remuda.store.errors import StoreError
from remuda.store.journal import Journal, JournalBounds
from remuda.store.watch import watch_revision
from remuda.telemetry.fanout import Fanout
from remuda.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


class Remuda:
    """A running gateway: its parts, made and ended together. Use `Remuda.running(settings)`."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        ids: Ids,
        store: Store,
        on_load: Callable[[LocalModelState], None],
        fanout: Fanout,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.ids = ids
        self.pseudonym = made_pseudonym()
        self.store = store
        self.fanout = fanout
        self.tasks = Tasks("remuda")
        self._face = OpenAIFace()
        self.fleet = Fleet(settings.models.chains, clock.wall)
        self.breakers = Breakers(self.fleet, _breaker_rules(settings.health), clock.monotonic)
        sealer = Sealer(settings.data_dir, settings.auth.sealing_secret)
        self.users = KnownUsers(store, sealer, settings.auth, clock)
        self.gatekeeper = Gatekeeper(
            keyless_allowed=settings.auth.required == "auto" and settings.server.is_local,
            wall=clock.wall,
            trusted_proxies=[ip_network(network) for network in settings.server.trusted_proxies],
            tokens=self.users.tokens,
        )
        self.credentials = Credentials(store, self.gatekeeper, self.users, settings, clock)
        self.journal = Journal(
            store,
            settings.data_dir / "spool",
            clock=clock,
            ids=ids,
            bounds=JournalBounds(
                buffered_records=settings.journal.buffer_records, spool_bytes=settings.journal.spool_max_bytes
            ),
        )
        self.retry_budget = RetryBudget(settings.routing.retry_budget_percent, clock.monotonic)
        self._known = KnownModels(store, clock)
        self._key_use = KeyUse(store, clock)
        self._unasked: set[str] = set()
        self._are_asked = asyncio.Event()
        self.leadership = Leadership(store, "nodes", f"{socket.gethostname()} {os.getpid()} {ids()}", clock)
        self.together = WatchTogether(store, clock, self.leadership, lambda: self.nodes.sources())
        self.nodes = Nodes(
            settings.upstreams,
            store=store,
            sealer=sealer,
            maker=UpstreamMaker(
                settings.health,
                clock,
                self._announced,
                self.breakers.recovered,
                self.together.is_asking,
                ids=ids,
                continuation_max_bytes=_kept_bytes(settings),
                pseudonym=self.pseudonym,
            ),
            announce=self._announced,
            clock=clock,
        )
        self.choosing = Choosing(
            settings.routing.policy,
            settings.routing.policies,
            affinity_header=settings.routing.affinity_header,
            is_explained=settings.log.level == "debug",
            monotonic=clock.monotonic,
            chance=system_chance,
        )
        self.fleet.on_left(self.choosing.left)
        self.strategy = KeptStrategy(settings.routing, self.choosing, store, clock)
        self.metrics = Metrics(__version__, is_known_model=self.fleet.knows)
        self.otel = Otel(settings.telemetry, clock, self.metrics)
        self._loads = LoadTimes()
        self._continuations = Continuations()
        self.local = self._local_models(on_load)
        self._own = OwnModels(self.fleet, self.local, clock.wall)
        self._lane_routes = lane_routes(self._face, clock, ids, self._own)
        self.standing = Standing(settings, store, self.fleet, self.local, fanout, clock)
        self.alerting = Alerting(
            settings, store, clock, self.fleet, worker_name(), sealer, fanout, lambda: self.costs.budgets.used()
        )
        self.aside = aside_of(settings.insight, store, clock)
        self.monitored = Monitored(
            settings, store, clock, self.fleet, self.standing, self.aside, live=lambda: len(self.gateway.live)
        )
        way = self._way()
        self.costs = Costs(settings.insight, store, clock, self.fleet, self.journal, way, fanout, self.aside)
        self.gateway, self.recorder, self.keep_alive = way.gateway, way.recorder, way.keep_alive
        self.otel.join_traces(self.gateway)
        self.lane = self._lane()
        self.durable = Durable(
            settings,
            store,
            clock,
            way.inside,
            self._lane_routes,
            self.fleet,
            sealer,
            self.metrics,
            lambda: self.standing.broker().is_connected,
            fanout,
        )
        readings = GatewayReadings(settings, self.fleet, self.local, self._loads.of, clock)
        self.suggestions = suggestions_of(settings, store, clock, self.durable.worker.name, readings)
        self.rollups = Rollups(store, settings.insight, clock, self.aside)
        self.insights = Insights(
            store,
            clock,
            self.fleet,
            self.alerting.routes,
            self.costs,
            self.rollups,
            self.durable.comparing.comparisons,
            self.suggestions,
        )
        attach_readings(
            self.metrics,
            self.fleet,
            self.gateway,
            self.keep_alive,
            self.retry_budget,
            self._continuations,
            self.journal,
            self.local,
        )
        self._loads.attach_to(self.metrics)
        self.alerting.attach_to(self.metrics)
        self.costs.attach_to(self.metrics)
        attach_aside(self.metrics, self.aside)
        self.app = build_app(self._parts())

    @classmethod
    @asynccontextmanager
    async def running(
        cls, settings: Settings, *, on_load: Callable[[LocalModelState], None], clock: Clock | None = None
    ) -> AsyncIterator["Remuda"]:
        """A gateway that is ready to take connections; ends everything it started on leaving."""
        clock, ids = clock or SystemClock(), request_ids()
        try:
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(
                f"the data folder {settings.data_dir} cannot be made: {error.strerror}", Exit.STORE
            ) from error
        async with AsyncExitStack() as stack:
            try:
                store = await open_store(settings.store_url, ledger_of(settings, clock))
            except StoreError as error:
                raise CommandError(str(error), Exit.STORE) from error
            stack.push_async_callback(store.close)
            fanout = await stack.enter_async_context(running_fanout(settings, clock, ids))
            remuda = cls(settings, clock, ids, store, on_load, fanout)
            stack.push_async_callback(remuda._close)
            await remuda._start()
            yield remuda

    async def _start(self) -> None:
        await self.credentials.renew()
        if not self.settings.server.is_local and not len(self.credentials):
            raise CommandError(
                "listening beyond this machine needs an API key first: make one with `remuda keys create --name me`, "
                "or set API_KEYS",
                Exit.CONFIGURATION,
            )
        await self.journal.start()
        self.tasks.start(self._sweep(), "sweep")
        self.tasks.start(self.standing.watch_store(), "store check")
        start_retention(self.tasks, self.store, self.settings.journal, self.clock)
        self.tasks.start(self.rollups.roller.run(), "rollups")
        await self._known.recall(self.fleet.apply)
        self.tasks.start(self._known.keep(), "known models")
        self.tasks.start(self._key_use.keep(), "key use")
        await self.together.begin()
        known = await self._renew()
        self.tasks.start(watch_revision(self.store, self.clock, self._renew, known=known), "changes in the store")
        self.tasks.start(self.leadership.run(), "leadership")
        self.tasks.start(self.together.run(), "watch together")
        self.costs.start(self.tasks, has_engines=bool(self.local.states()))
        self.durable.start()
        self.monitored.start(self.tasks)
        if self.settings.insight.daily_suggestions:
            self.tasks.start(self.suggestions.generate_daily(), "suggestions")
        self.alerting.start()
        self.otel.start()
        self.tasks.start(watch_settings(self.settings, self.clock, self._reconfigure), "changed settings")

    async def warm_up(self) -> None:
        """Load the tiny chat model, where it is offered: a first request shall not wait. Users' models load on use."""
        if self.settings.offers_tiny_models:
            try:
                await self.local.load(tiny.CHAT_NAME)
            except Fault as fault:
                log.warning("%s", fault)

    def drain(self) -> None:
        """Take no new requests; those in progress go on."""
        self.standing.is_draining = True
        self.durable.worker.drain()
        self.lane.is_draining = True
        self.gateway.drain()

    async def _close(self) -> None:
        await self.durable.close()
        await self.alerting.close()
        await self.gateway.close()
        await self.otel.close()
        await self.tasks.close()
        await self.aside.close()
        await self.leadership.resign()
        await self._known.write()
        await self._key_use.write()
        await self.local.close()
        await self.nodes.close()
        self.users.close()
        await self.journal.close()

    async def _renew(self) -> int:
        """Take in what another process changed in the store: keys, users, nodes, policies, prices,
        budgets, rules of alerts."""
        renewing = (self.credentials, self.nodes, self.strategy, self.costs, self.alerting)
        return min([await each.renew() for each in renewing])

    def _reconfigure(self, settings: Settings) -> None:
        """Take in what a changed settings file says of servers elsewhere, and of what names stand for."""
        self.fleet.apply(Aliased(settings.models.chains))
        self.nodes.configure(settings.upstreams)

    # The request's way

    def _way(self) -> Way:
        sinks: list[Sink] = [self.retry_budget.note]
        if self.local.states():
            sinks.append(each_to(self._note_use))
        return Way(
            self.settings,
            self.clock,
            self.ids,
            fleet=self.fleet,
            breakers=self.breakers,
            gatekeeper=self.gatekeeper,
            choosing=self.choosing,
            retry_budget=self.retry_budget,
            continuations=self._continuations,
            metrics=self.metrics,
            journal=self.journal,
            sinks=[
                *sinks,
                self.choosing.learn,
                self.alerting.watch.take,
                self.monitored.totals.take,
                *self.otel.sinks,
            ],
            pseudonym=self.pseudonym,
        )

    def _lane(self) -> Lane:
        server = self.settings.server
        limits = LaneLimits(
            head_bytes=server.max_head_bytes,
            body_bytes=server.max_body_bytes,
            head_s=server.head_timeout_s,
            body_s=server.body_timeout_s,
            keep_alive_s=server.keep_alive_s,
        )
        routes = {route.path: route for route in self._lane_routes}
        return Lane(routes, self.gateway, LaneRoute("", self._face, None), limits, self.clock.monotonic)

    def _parts(self) -> Parts:
        keeping = Keeping(self.nodes, max_uploads=self.settings.server.max_blob_uploads, pseudonym=self.pseudonym)
        return Parts(
            gatekeeper=self.gatekeeper,
            log_in=self.users.log_in,
            fleet=self.fleet,
            lane_routes=self._lane_routes,
            cors=Cors(self.settings.server.cors_origins),
            ids=self.ids,
            herd=self.nodes,
            pulls=keeping,
            keepers=keeping,
            own=self._own,
            strategy=self.strategy,
            tasks=self.durable.routes,
            work=self.durable.work_routes,
            batches=self.durable.batch_routes,
            observe=self.insights.parts,
            monitoring=self.monitored.routes,
            wall=self.clock.wall,
            monotonic=self.clock.monotonic,
            metrics=self._metrics_page,
            readiness=self.standing.unready,
            vitals=self.standing.vitals,
            version=__version__,
            pseudonym=self.pseudonym,
            max_body_bytes=self.settings.server.max_body_bytes,
            max_blob_bytes=self.settings.server.max_blob_bytes,
            on_key_used=self._key_use.note,
            broker=self.standing.broker,
            on_answered=self.metrics.observe_http,
        )

    def _metrics_page(self) -> tuple[bytes, str]:
        self.recorder.flush()
        return self.metrics.render(), self.metrics.content_type

    async def _sweep(self) -> None:
        while True:
            await self.clock.sleep(SWEEP_S)
            self.gateway.sweep()
            self.keep_alive.sweep(self.clock.monotonic())
            self.lane.sweep()

    # The fleet

    def _local_models(self, on_load: Callable[[LocalModelState], None]) -> LocalModels:
        settings = self.settings
        deadlines = Deadlines()
        engines: dict[EngineKind, Engine] = {
            EngineKind.LLAMA_CPP: LlamaCpp(self.clock.wall, ids=self.ids, continuation_max_bytes=_kept_bytes(settings)),
            EngineKind.TRANSFORMERS: Transformers(),
        }
        source = LocalSource(engines, self.fleet.apply, deadlines)

        def changed(state: LocalModelState) -> None:
            source.changed(state)
            self._loads.changed(state.name, state.phase, self.clock.monotonic())
            on_load(state)

        local = LocalModels(
            local_models_of(settings),
            launcher_of(settings, self.clock),
            self.clock,
            max_loaded=settings.models.max_loaded,
            idle_unload_s=settings.models.idle_unload_s or None,
            on_change=changed,
            is_busy=source.is_busy,
        )
        names = by_either_name({state.name: state.name for state in local.states()})

        def wanted(name: str) -> None:
            if own := names.get(name):
                self.tasks.start(_quietly(local.load(own)), f"load {own}")

        self.fleet.on_wanted(wanted)
        return local

    def _announced(self, change: FleetChange) -> None:
        self.fleet.apply(change)
        self._known.note(change)
        if isinstance(change, Asking):
            self._unasked.add(change.source)
        elif isinstance(change, Asked):
            self._unasked.discard(change.source)
            if not self._unasked:
                self._are_asked.set()

    async def all_asked(self, within_s: float) -> None:
        """Return once every upstream has said what it offers, or has failed to; at the latest after `within_s`."""
        if self._unasked:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._are_asked.wait()

    def _note_use(self, record: RequestRecord) -> None:
        source, _, name = record.replica.partition("/")
        if source == SOURCE:
            self.local.used(name)  # whatever the model is called where others have it, too


def _kept_bytes(settings: Settings) -> int:
    """How much a stream may keep to be continued."""
    return settings.routing.continuation_max_bytes if settings.routing.continuation else 0


def _breaker_rules(health: HealthSettings) -> BreakerRules:
    return BreakerRules(
        failures=health.breaker_failures,
        window_s=health.breaker_window_s,
        pause_s=health.breaker_pause_s,
        max_pause_s=health.breaker_max_pause_s,
        ramp_s=health.slow_start_s,
    )


async def _quietly(load: Coroutine[Any, Any, LocalModelState]) -> None:
    """A load whose failure is announced to the fleet anyway."""
    try:
        await load
    except Fault as fault:
        log.warning("%s", fault)
