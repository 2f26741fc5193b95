"""How a server elsewhere stands, for those who show it."""

from dataclasses import dataclass

from remuda.core.node import NodeKind
from remuda.fleet.replica import ReplicaState


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node and how it stands."""

    id: int
    """Positive: a stored node's own. Negative: one of the settings, by its place there; -1 is the first."""
    name: str
    url: str
    """As it was given, without what is only put behind it to speak one of its APIs."""
    kind: NodeKind | None
    """As given or found out; None: not known yet."""
    state: ReplicaState
    reason: str
    """Why it is on standby, or which models get no requests although it is not; else empty."""
    latency_s: float | None
    """How long it took to answer the last time it was asked."""
    models: tuple[str, ...]
    slots: int
    in_use: int
    weight: int
    is_drained: bool
    created_at: float
    """Wall clock; 0 for those of the settings."""
    instance: str = ""
    """Which Remuda it is, by its pseudonym; empty where it is none, or does not tell."""
