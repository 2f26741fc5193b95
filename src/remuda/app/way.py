"""The request's way, put together: once for clients, once for asks from inside the process."""

from collections.abc import Callable, Sequence

from remuda.app.settings import JournalSettings, Settings
from remuda.core.clock import Clock
from remuda.core.ids import Ids
from remuda.fleet.breakers import Breakers
from remuda.fleet.registry import Fleet
from remuda.fleet.replica import Replica
from remuda.gateway.attempts import Attempts
from remuda.gateway.authenticate import Admits, Gatekeeper
from remuda.gateway.choose import Chooser
from remuda.gateway.choosing import Choosing
from remuda.gateway.continue_ import Continuations
from remuda.gateway.defaults import Defaults
from remuda.gateway.exchange import Exchange
from remuda.gateway.forward import Forwarder
from remuda.gateway.gateway import Gateway
from remuda.gateway.headers import Cors
from remuda.gateway.inside import Inside, InsideRecorder, Insiders
from remuda.gateway.limit import Limiter
from remuda.gateway.pipeline import Pipeline
from remuda.gateway.record import Reckon, Recorder, Sink
from remuda.gateway.relay import Relay
from remuda.gateway.retry_budget import RetryBudget
from remuda.gateway.route import QueueLimits, Router
from remuda.gateway.settle import Settler
from remuda.gateway.transcript import FULL_CHARS, Capture
from remuda.gateway.waiting import KeepAlive
from remuda.store.journal import Journal
from remuda.telemetry.logs import AccessLog
from remuda.telemetry.metrics import Metrics


class Way:
    """What the steps of the way share, and who sends requests along it."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        ids: Ids,
        *,
        fleet: Fleet,
        breakers: Breakers,
        gatekeeper: Gatekeeper,
        choosing: Choosing,
        retry_budget: RetryBudget,
        continuations: Continuations,
        metrics: Metrics,
        journal: Journal,
        sinks: Sequence[Sink],
        pseudonym: str,
    ) -> None:
        """`sinks` take records beside the journal and the metrics. `pseudonym`: what this gateway calls itself to other
        Remudas."""
        routing, monotonic = settings.routing, clock.monotonic
        self._settings = settings
        self._monotonic = monotonic
        self._metrics = metrics
        self._continuations = continuations
        self._attempts = Attempts(
            breakers, retry_budget, max_attempts=routing.max_attempts, patience_s=routing.queue_timeout_s
        )
        self._forwarder = Forwarder(monotonic, pseudonym)
        self._settler = Settler(self._forwarder, clock, metrics.observe_idle)
        self.keep_alive = KeepAlive(routing.keep_alive_after_s, routing.keep_alive_every_s)
        self.limiter = Limiter()
        self._router = self._router_for(fleet, choosing, lambda key_id: gatekeeper.ring.weight_of(key_id))
        self.recorder = self._recorder(Recorder, [journal.extend, metrics.observe_all, *sinks])
        pipeline = self._pipeline(gatekeeper, self.recorder)
        self.gateway = Gateway(
            pipeline,
            gatekeeper,
            self.recorder,
            self._forwarder,
            self._settler,
            breakers,
            fleet,
            clock,
            ids,
            Cors(settings.server.cors_origins),
            pseudonym,
        )
        # What is asked from inside is kept by whoever asks, together with what came of it.
        self.inside_recorder = self._recorder(InsideRecorder, [metrics.observe_all, *sinks])
        insiders = Insiders(lambda: gatekeeper.ring, clock.wall)
        self.inside = Inside(
            self._pipeline(insiders, self.inside_recorder, pipeline.live), clock, settings.server.max_body_bytes
        )

    def measure_by(self, on_send: Callable[[Exchange, Replica], None]) -> None:
        """From now on `on_send` is told of each attempt before it begins."""
        self._forwarder.on_send = on_send

    def reckon_by(self, of_clients: Reckon | None, of_tasks: Reckon | None) -> None:
        """From now on requests cost what these say; None: nothing."""
        self.recorder.reckon, self.inside_recorder.reckon = of_clients, of_tasks

    def _router_for(self, fleet: Fleet, choosing: Choosing, weight_of: Callable[[str], float]) -> Router:
        routing, defaults = self._settings.routing, self._settings.models.defaults
        router = Router(
            fleet,
            QueueLimits(routing.queue_max, routing.queue_max_bytes, routing.queue_timeout_s),
            self._monotonic,
            choosing.chooser,
            self.keep_alive,
            Defaults(defaults) if defaults else None,
            weight_of,
        )

        def changed(chooser: Chooser | None) -> None:
            router.chooser = chooser

        choosing.on_change(changed)
        return router

    def _recorder(self, kind: type[Recorder], sinks: Sequence[Sink]) -> Recorder:
        access_log = AccessLog()
        return kind(
            sinks,
            self._monotonic,
            tell=access_log,
            tells_all=access_log.tells_all,
            capture=_capture(self._settings.journal),
        )

    def _pipeline(self, gatekeeper: Admits, recorder: Recorder, live: set[Exchange] | None = None) -> Pipeline:
        return Pipeline(
            gatekeeper,
            self.limiter,
            self._router,
            self._forwarder,
            Relay(self._monotonic),
            recorder,
            self._settler,
            self._attempts,
            self._monotonic,
            observe_abort=self._metrics.observe_abort,
            continuations=self._continuations,
            max_decompressed_bytes=self._settings.server.max_decompressed_bytes,
            live=live,
        )


def _capture(journal: JournalSettings) -> Capture:
    chars = {"off": 0, "cut": journal.content_max_chars, "full": FULL_CHARS}
    by_key = {key_id: chars[kept] for key_id, kept in journal.content_by_key.items()}
    return Capture(chars[journal.content], chars[journal.proxy_content], by_key)
