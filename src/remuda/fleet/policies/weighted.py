"""The replicas in turn, each as often as its weight says."""

from collections.abc import Sequence
from heapq import heapify, heapreplace

from remuda.fleet.replica import Replica


def weighted(candidates: Sequence[Replica], turn: int) -> Replica:
    """The candidate whose `turn` it is, where a round has as many turns for each as its weight.

    Each one's turns are spread evenly over the round: one with weight w stands at 1/2w, 3/2w, 5/2w of it, and so on.
    Who has the n-th place of the round is found without going through all of it, for weights may be large.
    `candidates` is not empty and each has a free slot.
    """
    count = len(candidates)
    weights = [candidate.weight for candidate in candidates]
    length = sum(weights)
    place = turn % length
    # At `count` turns before the place at most so many turns of each have passed that the rest is a short walk.
    passed = [max(0, (2 * weight * (place - count) + length) // (2 * length)) for weight in weights]
    standing = [
        ((2 * gone + 1) / (2 * weight), number)
        for number, (gone, weight) in enumerate(zip(passed, weights, strict=True))
    ]
    heapify(standing)
    for _ in range(place - sum(passed)):
        _, number = standing[0]
        passed[number] += 1
        heapreplace(standing, ((2 * passed[number] + 1) / (2 * weights[number]), number))
    return candidates[standing[0][1]]
