"""A model, as the fleet knows it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from remuda.fleet.queue import Queue
from remuda.fleet.replica import Replica, Told


@dataclass(slots=True, eq=False)
class Model:
    """What a client may name, who serves it, and who waits for it."""

    name: str
    replicas: tuple[Replica, ...] = ()
    waiting: Queue = field(default_factory=Queue)
    waiting_bytes: int = 0
    grant_s: float | None = None
    """Between two slots that come free for those who wait, a moving average; None where that was not seen yet."""
    granted_at: float = 0.0
    """Monotonic time of the last of them, or at which the first began to wait."""
    turn: int = 0
    """Counts choices, so that equal replicas take turns."""
    created_at: int = 0
    """Unix time at which it became known."""
    owner: str = "remuda"
    """Where it comes from, as `/v1/models` says it: `remuda` for local files, else the upstream's name."""
    is_offered: bool = False
    """Whether some source says at present that it can serve it; else it is known from settings or from earlier."""
    context_length: int | None = None
    """Tokens per slot, as a replica told last; still known when none is left."""
    told: Told | None = None
    """What its source tells of it, replica or not."""
    chain: "tuple[Model, ...]" = ()
    """The models that it stands for, in order, where it is an alias of several; the first that can be served is."""


def first_servable(models: Sequence[Model]) -> Model:
    """The first of them that has a replica that may be chosen; else the first that is offered, else the first."""
    for model in models:
        if any(replica.is_routable for replica in model.replicas):
            return model
    return next((model for model in models if model.is_offered), models[0])
