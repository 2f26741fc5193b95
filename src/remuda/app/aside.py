"""The process for questions about the past, as settings have it."""

from remuda.app.settings import InsightSettings
from remuda.core.clock import Clock
from remuda.store.aside import Aside
from remuda.store.database import Store
from remuda.telemetry import catalogue
from remuda.telemetry.metrics import Metrics


def aside_of(settings: InsightSettings, store: Store, clock: Clock) -> Aside:
    """What answers them; there is no process yet."""
    return Aside(store, clock, after_s=settings.aside_after_ms / 1000 if settings.aside else None)


def attach_aside(metrics: Metrics, aside: Aside) -> None:
    """Let `metrics` ask how many were answered here and there, and how often the process was started."""
    metrics.attach(catalogue.ASIDE_ANSWERS, lambda: [(("here",), aside.here), (("beside",), aside.beside)])
    metrics.attach(catalogue.ASIDE_STARTS, lambda: [((), aside.starts)])
