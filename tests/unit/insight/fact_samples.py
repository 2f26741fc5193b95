"""Facts for rules."""

from typing import Any

from remuda.core.traffic import ReplicaTraffic, Traffic, Window
from remuda.insight.facts import Facts, Held, Placed, Readings

DAY = 86_400.0
WINDOW = Window(0.0, DAY, 200_000)
SETTINGS: dict[str, Any] = {
    "models.max_loaded": 2,
    "models.idle_unload_s": 900.0,
    "llamacpp.n_parallel": 4,
    "llamacpp.n_ctx": None,
    "routing.policy": "least_active",
}


def traffic(model: str = "m", replica: str = "r", **sums: Any) -> ReplicaTraffic:
    """A hundred requests that went well, with these sums."""
    usual: dict[str, Any] = {"requests": 100, "latency_s": 100.0, "score": 90.0}
    return ReplicaTraffic(model, replica, Traffic(**(usual | sums)))


def facts(*replicas: ReplicaTraffic, **values: Any) -> Facts:
    """Facts about these replicas."""
    return Facts(WINDOW, replicas, **values)


def readings(**values: Any) -> Readings:
    """Readings of a gateway that has run for a day."""
    return Readings(**({"watched_s": DAY, "settings": SETTINGS} | values))


def placed(**values: Any) -> Placed:
    """A local replica with four slots."""
    return Placed(**({"replica": "r", "model": "m", "slots": 4, "context": 4096, "is_local": True} | values))


def held(**values: Any) -> Held:
    """A local model that is loaded."""
    usual = {"model": "m", "is_loaded": True, "size_bytes": 2**30, "quantization": "Q8_0", "is_local": True}
    return Held(**(usual | values))
