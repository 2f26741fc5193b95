"""The answers below `/api/monitoring`, as document S0 has them. `memory.used` is a percentage there, though sizes stand
beside it."""

import msgspec


class Processors(msgspec.Struct, kw_only=True):
    """How busy they are, in per cent of all."""

    usage: float
    cores: int
    loadAverage: list[float]


class Memory(msgspec.Struct, kw_only=True):
    """In MiB, but for the percentages."""

    used: float
    total: int
    free: int
    usagePercent: float


class Disk(msgspec.Struct, kw_only=True):
    """The disk that holds the data folder, in bytes."""

    used: int
    total: int
    free: int
    usagePercent: float


class System(msgspec.Struct, kw_only=True):
    """The machine."""

    cpu: Processors
    memory: Memory
    disk: Disk


class Gpu(msgspec.Struct, kw_only=True):
    """One graphics processor; memory in MiB, temperature in degrees Celsius."""

    id: int
    name: str
    memory: Memory
    utilization: float
    temperature: int | None


class Models(msgspec.Struct, kw_only=True):
    """Models that can be chosen now, and all that are known; memory of the engines on this machine, in MiB."""

    active: int
    total: int
    memoryUsage: int


class Requests(msgspec.Struct, kw_only=True):
    """Inference requests since the gateway was started; their mean duration in ms."""

    total: int
    active: int
    averageResponseTime: float


class Monitoring(msgspec.Struct, kw_only=True):
    """How things are now."""

    timestamp: str
    system: System
    gpu: list[Gpu]
    """Empty where there is none, or nothing here can read it."""
    models: Models
    requests: Requests
    uptime: int
    """Seconds."""


class Period(msgspec.Struct, kw_only=True):
    """What the history covers."""

    start: str
    end: str
    resolution: str


class Moment(msgspec.Struct, kw_only=True):
    """Means over the span that begins at `timestamp`; None where nothing was measured in it."""

    timestamp: str
    cpu: float | None
    memory: float | None
    gpu: float | None
    requests: int
    responseTime: float | None
    """Mean duration of the requests that began in it, in ms."""


class Summary(msgspec.Struct, kw_only=True):
    """Of all moments; the mean response time is the mean of theirs."""

    avgCpu: float | None
    maxCpu: float | None
    avgMemory: float | None
    maxMemory: float | None
    totalRequests: int
    avgResponseTime: float | None


class MonitoringHistory(msgspec.Struct, kw_only=True):
    """How things were; spans in which nothing was measured and nothing asked are left out."""

    period: Period
    metrics: list[Moment]
    summary: Summary


SCHEMAS = (Monitoring, MonitoringHistory)
