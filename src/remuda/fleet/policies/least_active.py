"""The replica with the fewest asks under way for its size; ties take turns."""

from collections.abc import Sequence

from remuda.fleet.replica import Replica


def least_active(candidates: Sequence[Replica], turn: int) -> Replica:
    """The candidate with the smallest share of its slots in use; among equals, a different one each `turn`.

    `candidates` is not empty and each has a free slot. Starting the search at `turn` makes equals alternate.
    """
    best = candidates[turn % len(candidates)]
    slots = best.slots
    least = slots.in_use / slots.total
    if least:
        for candidate in candidates:
            slots = candidate.slots
            share = slots.in_use / slots.total  # equal fractions are equal floats: division rounds correctly
            if share < least:
                best, least = candidate, share
    return best
