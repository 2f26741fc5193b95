"""The replicas in turn, whatever they have to do."""

from collections.abc import Sequence

from remuda.fleet.replica import Replica


def round_robin(candidates: Sequence[Replica], turn: int) -> Replica:
    """The candidate whose `turn` it is. `candidates` is not empty and each has a free slot."""
    return candidates[turn % len(candidates)]
