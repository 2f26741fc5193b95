"""The replica that has lately begun its answers soonest, as measured by real requests."""

from collections.abc import Mapping, Sequence
from math import exp
from typing import Final

from remuda.core.faults import RateLimited, StreamCut, Unavailable, UpstreamFailed, UpstreamSilent
from remuda.core.record import RequestRecord
from remuda.fleet.policies.least_active import least_active
from remuda.fleet.replica import Replica

EXPLORED: Final = 1 / 16
"""This part of all choices goes to any candidate, so that one that was slow once can show that it no longer is."""
SETTLED_S: Final = 10.0
"""How fast the past fades: a measurement this much later than the one before counts 1 - 1/e."""
FAILED_S: Final = 10.0
"""What an attempt without an answer counts: one that fails at once must not look fast, nor be as idle as it seems."""
LEAST_WEIGHT: Final = 0.1
"""What a measurement counts at least, however soon it follows on another."""
FORGOTTEN_S: Final = 300.0
"""A replica not measured for this long is unknown again."""
FAILURES: Final = frozenset(
    fault.code for fault in (UpstreamFailed, UpstreamSilent, StreamCut, Unavailable, RateLimited)
)
"""How a request has ended that its replica did not answer."""
MAX_REPLICAS: Final = 4096
"""Replicas of which a TTFT is remembered; the one unmeasured for longest makes room."""


def lowest_latency(candidates: Sequence[Replica], turn: int, ttft_s: Mapping[str, float], chance: float) -> Replica:
    """The candidate with the smallest TTFT for what it has to do: its average times the requests it would then have.

    `ttft_s` has averages by replica id; `chance` is a number in [0, 1), drawn for this choice. Who is not known counts
    as slow as the slowest that is: it is tried once the faster are busy, or by chance. While nobody is known, the least
    active one is taken. Load counts because a measurement comes only when a request has ended: until then everybody
    would go to the same replica. `candidates` is not empty and each has a free slot.
    """
    count = len(candidates)
    if chance < EXPLORED:
        return candidates[int(chance / EXPLORED * count)]
    known = [ttft_s[candidate.id] for candidate in candidates if candidate.id in ttft_s]
    if not known:
        return least_active(candidates, turn)
    slowest = max(known)
    in_turn = (candidates[(turn + offset) % count] for offset in range(count))  # equals take turns
    return min(in_turn, key=lambda each: ttft_s.get(each.id, slowest) * (each.slots.in_use + 1))


class Latencies:
    """Remembers each replica's TTFT as a moving average in which the past fades with time.

    Learns from streamed answers alone: of others the first content is the last, and tells the length of the answer. No
    answer at all counts as a slow one, streamed or not.
    """

    def __init__(self) -> None:
        self._measured: dict[str, tuple[float, float]] = {}
        """Average and time of the last measurement, by replica id; those measured last stand last."""

    def __len__(self) -> int:
        return len(self._measured)

    def learn(self, records: Sequence[RequestRecord], now: float) -> None:
        """Take in finished requests, known since monotonic time `now`."""
        for record in records:
            # After another attempt the time is not this replica's own; the queue's never is.
            if record.ttft_s is not None:
                if record.is_streamed and record.attempts == 1:
                    self.measure(record.replica, max(0.0, record.ttft_s - record.queue_wait_s), now)
            elif record.fault in FAILURES and record.attempts:
                self.failed(record.replica, now)

    def failed(self, replica_id: str, now: float) -> None:
        """An attempt that was not answered."""
        self.measure(replica_id, FAILED_S, now)

    def measure(self, replica_id: str, ttft_s: float, now: float) -> None:
        """One measurement."""
        average, last = self._measured.pop(replica_id, (ttft_s, now))
        weight = max(LEAST_WEIGHT, 1 - exp((last - now) / SETTLED_S))
        self._measured[replica_id] = (average + weight * (ttft_s - average), now)
        if len(self._measured) > MAX_REPLICAS:
            del self._measured[next(iter(self._measured))]

    def of(self, candidates: Sequence[Replica], now: float) -> Mapping[str, float]:
        """Averages by replica id, of those candidates that were measured lately."""
        found = {}
        for candidate in candidates:
            average, last = self._measured.get(candidate.id, (0.0, now - FORGOTTEN_S))
            if now - last < FORGOTTEN_S:
                found[candidate.id] = average
        return found
