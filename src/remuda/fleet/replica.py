"""A model served at one place, and the slots it has."""

import ssl
from dataclasses import dataclass
from enum import StrEnum

from remuda.core.address import Address
from remuda.engines.protocol import Engine
from remuda.fleet.breaker import Breaker


class ReplicaState(StrEnum):
    """Whether a replica may be chosen."""

    ACTIVE = "active"
    STANDBY = "standby"
    """Known, but not answering at the moment."""
    DRAINING = "draining"
    """Finishes what runs, takes nothing new."""


class Slots:
    """How many asks a server takes at once; shared by all replicas of one server. Or how many one of them may have."""

    __slots__ = ("breaker", "in_use", "recoveries", "size", "total")

    def __init__(self, total: int) -> None:
        if total < 1:
            raise ValueError("a server has at least one slot")
        self.size = total
        """How many there are."""
        self.total = total
        """How many are given out: fewer, or none, while there is trouble. May fall below `in_use`."""
        self.in_use = 0
        self.breaker: Breaker | None = None
        """Only while something is amiss, or was a moment ago."""
        self.recoveries = 0
        """How often it has come out of trouble: a trial went well, the server came back from standby, or a trial would
        tell and nobody has asked for it."""

    @property
    def free(self) -> int:
        """Slots that somebody may have."""
        return max(0, self.total - self.in_use)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a server may take; seconds."""

    connect_s: float = 5.0
    answer_s: float = 300.0
    """Until its answer begins."""
    silence_s: float = 300.0
    """Between two pieces of an answer."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a server tells of one of its models beyond its name. None, or empty: it does not tell."""

    size_bytes: int | None = None
    """On its disk."""
    digest: str = ""
    modified_at: str = ""
    """RFC 3339, as the server writes it."""
    format: str = ""
    family: str = ""
    families: tuple[str, ...] = ()
    parameter_size: str = ""
    """As people write it, e.g. `8.0B`."""
    quantization: str = ""
    parent: str = ""
    capabilities: tuple[str, ...] | None = None
    """In Ollama's words: `completion`, `tools`, `embedding` ..."""
    info: tuple[tuple[str, str | int | float], ...] = ()
    """What the model's file says of it, by the keys of GGUF."""
    trained_context: int | None = None
    """Tokens, as the model itself says; what it is loaded with may be less."""
    is_running: bool | None = None
    """Whether it is loaded."""
    size_vram_bytes: int | None = None
    """What it takes up on GPUs while it is loaded."""
    expires_at: str = ""
    """When it will be unloaded; RFC 3339."""


class Replica:
    """A model served at one place. Only the registry changes `state`; only leases change what is in use."""

    __slots__ = (
        "_recoveries",
        "address",
        "context_length",
        "deadlines",
        "engine",
        "headers",
        "hold",
        "id",
        "is_restarted",
        "model",
        "slots",
        "state",
        "tls",
        "told",
        "upstream_model",
        "weight",
    )

    def __init__(
        self,
        replica_id: str,
        *,
        model: str,
        upstream_model: str,
        engine: Engine,
        address: Address,
        slots: Slots,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        context_length: int | None = None,
        deadlines: Deadlines = Deadlines(),
        state: ReplicaState = ReplicaState.ACTIVE,
        tls: ssl.SSLContext | None = None,
        weight: int = 1,
        told: Told | None = None,
        is_restarted: bool = False,
    ) -> None:
        self.id = replica_id
        """Shown to clients (`x-remuda-replica`) and in metrics: short, plain, without secrets."""
        self.model = model
        self.upstream_model = upstream_model
        """What the server itself calls the model; empty where it takes any name."""
        self.engine = engine
        self.address = address
        self.slots = slots
        self.hold: Slots | None = None
        """How many of the server's slots it may have, and has, while requests for it fail, or did a moment ago."""
        self._recoveries = 0
        self.headers = headers
        """Sent with each request to it: its own credential. Never shown."""
        self.context_length = context_length
        """Tokens per slot, where the engine tells."""
        self.deadlines = deadlines
        self.tls = tls
        """What its certificate is checked against, where it speaks TLS; None: the system's authorities."""
        self.weight = weight
        """How often it is chosen beside others, where the policy goes by that; at least 1."""
        self.state = state
        self.is_restarted = is_restarted
        """Its server is started again where it crashes; a new replica stands for it then."""
        self.told = told
        """What its server tells of the model; its source renews it, for lists alone."""

    @property
    def is_routable(self) -> bool:
        """Whether it may be chosen, slots aside."""
        return self.state is ReplicaState.ACTIVE and not self.is_held_back

    @property
    def is_held_back(self) -> bool:
        """Whether it gets no requests, as those before have failed."""
        return self.slots.total == 0 or (self.hold is not None and self.hold.total == 0)

    @property
    def free(self) -> int:
        """Slots of its server that it may have."""
        return self.slots.free if self.hold is None else min(self.slots.free, self.hold.free)

    @property
    def recoveries(self) -> int:
        """How often it, or its server, has come out of trouble."""
        own = 0 if self.hold is None else self.hold.recoveries
        return self.slots.recoveries + self._recoveries + own

    def let_go(self) -> None:
        """All is well with it again."""
        if self.hold is not None:
            self._recoveries += self.hold.recoveries
            self.hold = None

    def __repr__(self) -> str:
        return f"Replica({self.id!r}, {self.state}, {self.slots.in_use}/{self.slots.total})"
