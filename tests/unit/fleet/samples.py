"""Replicas for tests, with nothing behind them."""

from remuda.core.address import Address
from remuda.engines.openai.adapter import OpenAILike
from remuda.fleet.replica import Replica, ReplicaState, Slots


def replica(
    name: str = "one",
    model: str = "m",
    slots: Slots | int = 4,
    in_use: int = 0,
    state: ReplicaState = ReplicaState.ACTIVE,
    weight: int = 1,
    path: tuple[str, ...] = (),
) -> Replica:
    """A replica with that many slots, some of them taken."""
    shared = slots if isinstance(slots, Slots) else Slots(slots)
    shared.in_use = in_use
    return Replica(
        f"{name}/{model}",
        model=model,
        upstream_model=model,
        engine=OpenAILike(),
        address=Address("127.0.0.1", 1),
        slots=shared,
        state=state,
        weight=weight,
        path=path,
    )
