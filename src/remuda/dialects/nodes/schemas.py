"""What document S4's routes take and answer (its serializers: BEHAVIOURS.md 1.4), with fields of our own beyond."""

from typing import Any, Final

import msgspec

from remuda.core.node import NodeKind


class PoolState(msgspec.Struct):
    """`GET /api/proxy/state`. Nodes are told apart by their URLs."""

    active: list[str]
    standby: list[str]
    """Also those that are drained."""
    node_id_map: dict[str, str]
    latencies: dict[str, float]
    """Seconds that the last question took; those that do not answer are left out."""
    active_counts: dict[str, int]
    models: dict[str, list[str]]


class ActiveRequests(msgspec.Struct):
    """One node of `GET /api/proxy/active-requests`."""

    id: int
    name: str
    address: str
    active_requests: int
    status: str
    """`active`, `standby` or `draining`."""
    latency: float | None
    models: list[str]


class AllActiveRequests(msgspec.Struct):
    """`GET /api/proxy/active-requests`, the busiest first."""

    nodes: list[ActiveRequests]
    total_active_requests: int


class PoolConfig(msgspec.Struct):
    """`/api/proxy/config`."""

    id: int
    strategy: str
    updated_at: str
    policies: dict[str, str]
    """Other strategies of some models."""


class PoolConfigChange(msgspec.Struct):
    """What may be changed of it."""

    strategy: str | None = None
    policies: dict[str, str] | None = None


class NodeView(msgspec.Struct):
    """A node. S4 has id, name, address, port, active and created_at."""

    id: int
    name: str
    address: str
    """Scheme, host and path where S4 would not do without; else the host."""
    port: int
    active: bool
    created_at: str | None
    url: str
    kind: str | None
    state: str
    reason: str
    """Why it is on standby, or which models get no requests although it is not, as those before failed."""
    available_models: list[str]
    slots: int
    active_requests: int
    weight: int
    drain: bool
    latency: float | None


class NodePage(msgspec.Struct):
    """`GET /api/proxy/nodes`."""

    count: int
    next: str | None
    previous: str | None
    results: list[NodeView]


class NodeWrite(msgspec.Struct):
    """What is sent of a node. It stands at `url`, or at `address` and `port`."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    address: str | msgspec.UnsetType = msgspec.UNSET
    port: int | msgspec.UnsetType | None = msgspec.UNSET
    url: str | msgspec.UnsetType = msgspec.UNSET
    active: bool | msgspec.UnsetType = msgspec.UNSET
    """False drains it. True, which is the default, has it asked and chosen while it answers."""
    kind: NodeKind | msgspec.UnsetType | None = msgspec.UNSET
    api_key: str | msgspec.UnsetType = msgspec.UNSET
    """Sent to it; kept encrypted, never shown."""
    api_key_env: str | msgspec.UnsetType = msgspec.UNSET
    slots: int | msgspec.UnsetType | None = msgspec.UNSET
    weight: int | msgspec.UnsetType = msgspec.UNSET


class PullAsk(msgspec.Struct):
    """`POST /api/proxy/pull`."""

    model: str = ""
    node_id: int | None = None
    """None: all active nodes that can."""
    insecure: bool = False
    stream: bool = False
    """Progress as it comes, a line each."""


class PullResult(msgspec.Struct):
    """What came of it on one node."""

    node_id: int
    node_name: str
    node_address: str
    status: str
    """`success` or `error`."""
    message: str


class PullAnswer(msgspec.Struct):
    """What came of it."""

    results: list[PullResult]
    model: str
    total_nodes: int


class PullLine(msgspec.Struct):
    """A line of progress."""

    node_id: int
    node_name: str
    progress: dict[str, Any]


class WaitingRequest(msgspec.Struct):
    """Somebody who waits."""

    position: int
    eta_s: int | None
    age_s: float
    priority: str
    key_id: str


class QueueView(msgspec.Struct):
    """Those who wait for one model."""

    model: str
    waiting: int
    waiting_bytes: int
    oldest_wait_s: float
    by_priority: dict[str, int]
    requests: list[WaitingRequest]
    """The first hundred."""


class Queues(msgspec.Struct):
    """`GET /api/proxy/queue`: every model that somebody waits for."""

    queues: list[QueueView]
    total_waiting: int


class Refused(msgspec.Struct):
    """What went wrong: in `detail`, or by the field that is wrong; some routes, as S4 has it, say it in `error`."""

    detail: str | None = None
    code: str | None = None
    """`token_not_valid` where a token is not valid or has expired."""
    error: str | None = None


SCHEMAS: Final = (
    PoolState,
    AllActiveRequests,
    PoolConfig,
    PoolConfigChange,
    NodePage,
    NodeWrite,
    PullAsk,
    PullAnswer,
    Queues,
    Refused,
)
"""What the OpenAPI document describes."""
