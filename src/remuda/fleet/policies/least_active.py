"""The replica with the fewest asks under way for its size; ties take turns."""

from collections.abc import Sequence

from remuda.fleet.replica import Replica


def least_active(candidates: Sequence[Replica], turn: int) -> Replica:
    """The candidate with the smallest share of its slots in use; among equals, a different one each `turn`.

    `candidates` is not empty and each has a free slot. Starting the search at `turn` makes equals alternate.
    """
    count = len(candidates)
    best = candidates[turn % count]
    if count == 1 or not best.slots.in_use:
        return best
    for offset in range(1, count):
        candidate = candidates[(turn + offset) % count]
        if candidate.slots.in_use * best.slots.total < best.slots.in_use * candidate.slots.total:
            best = candidate
    return best
