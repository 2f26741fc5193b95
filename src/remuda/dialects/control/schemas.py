"""What the control routes answer."""

from typing import Literal

import msgspec

BrokerKind = Literal["store", "store+redis"]


class Alive(msgspec.Struct):
    """`GET /livez`."""

    status: Literal["alive"] = "alive"


class Ready(msgspec.Struct):
    """`GET /readyz`."""

    status: Literal["ready", "not ready"]
    reasons: list[str]
    """Why not; empty when ready."""


class Health(msgspec.Struct, kw_only=True):
    """`GET /health`, as document S2 has it (C2, C25); every field is true."""

    status: Literal["healthy", "degraded"]
    redis_connected: bool
    """Whether all of `broker` answers."""
    broker: BrokerKind
    """What keeps the tasks, the gateway's own store, and what carries news of them to other gateways, where there are
    such: Redis."""
    version: str
    model: str | None
    """The one that answers tasks which name none; null where none is offered."""
    model_loaded: bool
    """Some model can answer at once; others may still be loaded when they are asked for."""
    backend: str
    """Kinds of engine that serve models now, separated by commas; empty where none runs."""
    available_models: list[str]
    reasons: list[str]
    """What makes it degraded."""


class Version(msgspec.Struct, kw_only=True):
    """`GET /version`."""

    name: str = "Remuda"
    version: str
    api_version: str


HealthWord = Literal["healthy", "unhealthy"]


class ProxyHealth(msgspec.Struct):
    """The gateway itself: unhealthy while it shuts down."""

    status: HealthWord
    uptime: int
    """Seconds."""
    version: str


class EngineHealth(msgspec.Struct):
    """What answers requests: unhealthy where every model of this machine fails and no server elsewhere answers."""

    status: HealthWord
    models_loaded: int
    """Models that can answer at once, here or elsewhere."""


class DatabaseHealth(msgspec.Struct):
    """The store: unhealthy where it does not answer."""

    status: HealthWord


class ServicesHealth(msgspec.Struct):
    """The parts, under document S0's names."""

    proxy: ProxyHealth
    llama_server: EngineHealth
    database: DatabaseHealth


class SystemUse(msgspec.Struct):
    """The machine, each from 0 to 100."""

    cpu_usage: float
    """All processors together, lately."""
    memory_usage: float
    disk_usage: float
    """Of the disk that holds the data folder."""


class ApiHealth(msgspec.Struct):
    """`GET /api/health`."""

    status: HealthWord
    """Unhealthy where one of the services is."""
    timestamp: str
    services: ServicesHealth
    system: SystemUse
