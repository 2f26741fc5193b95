"""The replica that has most of the prompt in its cache already, as far as can be told from what it was sent."""

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Final

from remuda.fleet.policies.least_active import least_active
from remuda.fleet.replica import Replica

FIRST_CHARS: Final = 256
"""Length of the shortest prefix that counts; a shorter one saves an engine nothing worth a detour."""
MAX_LENGTHS: Final = 64
"""Prefixes of one prompt, each an eighth (at least `FIRST_CHARS`) longer than the one before: a million characters."""
MAX_PREFIXES: Final = 65_536
"""Prefixes of which is remembered who holds them, all prompts together; the one unused for longest makes room."""
MAX_HOLDERS: Final = 4
"""Replicas remembered for one prefix, those that were sent it last."""
HOT_SHARE: Final = 0.5
"""A replica with this much more of its slots in use than the least active one is hot."""
HOT_REQUESTS: Final = 4
"""So is one with more than twice as many requests as the least active one would have with so many more, for where slots
are only a bound their share tells nothing."""


def prefix_affinity(candidates: Sequence[Replica], turn: int, holders: Sequence[Collection[str]]) -> Replica:
    """The least active of those candidates that hold the longest prefix; where it is hot, the least active of all.

    `holders` has the ids of the replicas that hold the prompt's prefixes, those of the longest first. `candidates` is
    not empty and each has a free slot.
    """
    coolest = least_active(candidates, turn)
    for ids in holders:
        holding = [candidate for candidate in candidates if candidate.id in ids]
        if holding:
            best = least_active(holding, turn)
            return coolest if _is_hot(best, coolest) else best
    return coolest


def _is_hot(replica: Replica, coolest: Replica) -> bool:
    slots, cool = replica.slots, coolest.slots
    return slots.in_use / slots.total - cool.in_use / cool.total >= HOT_SHARE or slots.in_use > 2 * (
        cool.in_use + HOT_REQUESTS
    )


def prefixes_of(prompt: str) -> list[bytes]:
    """Hashes of the prompt's prefixes, that of the longest first; the same for every prompt that begins alike."""
    hashes: list[bytes] = []
    digest = blake2b(digest_size=8)
    start, end = 0, FIRST_CHARS
    while end <= len(prompt) and len(hashes) < MAX_LENGTHS:
        digest.update(prompt[start:end].encode("utf-8", "surrogatepass"))
        hashes.append(digest.digest())
        start, end = end, end + max(FIRST_CHARS, end // 8)
    return hashes[::-1]


class Prefixes:
    """Remembers which replicas were sent which prefixes. Texts are not kept, only hashes of them."""

    def __init__(self) -> None:
        self._holders: dict[bytes, tuple[str, ...]] = {}
        """Those used last stand last."""

    def __len__(self) -> int:
        return len(self._holders)

    def holders(self, prefixes: Sequence[bytes]) -> list[tuple[str, ...]]:
        """Ids of the replicas that hold each of these; empty where none is known to."""
        return [self._holders.get(prefix, ()) for prefix in prefixes]

    def sent(self, prefixes: Sequence[bytes], replica_id: str) -> None:
        """That replica holds these from now on."""
        for prefix in prefixes:
            others = [held for held in self._holders.pop(prefix, ()) if held != replica_id]
            self._holders[prefix] = (*others, replica_id)[-MAX_HOLDERS:]
        while len(self._holders) > MAX_PREFIXES:
            del self._holders[next(iter(self._holders))]
