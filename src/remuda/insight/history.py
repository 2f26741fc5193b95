"""How the machines and the requests did, span by span."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

from remuda.core.faults import Unavailable
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.machine import Busy, busy_minutes
from remuda.store.rollup_reading import Question, answer

KEPT_MINUTES: Final = 8 * 24 * 60
"""How long minutes are kept: the longest history, and a day."""


class Traffic(NamedTuple):
    """Requests that began in one span, and their mean duration."""

    requests: int
    duration_s: float


class Span(NamedTuple):
    """One span, with what was measured in it."""

    start: float
    """Wall clock, seconds since 1970."""
    cpu_percent: float | None
    memory_percent: float | None
    gpu_percent: float | None
    requests: int
    duration_s: float | None
    """Mean of the requests'; None where there were none."""


ReadTraffic = Callable[[float, float, int], Awaitable[Mapping[int, Traffic]]]
"""What began from one moment to another, by the first second of each span of so many seconds; raises StoreError."""


class History:
    """Reads it."""

    def __init__(self, store: Store, traffic: ReadTraffic) -> None:
        self._store = store
        self._traffic = traffic

    async def read(self, start: float, end: float, step_s: int) -> Sequence[Span]:
        """The spans of `step_s` (whole minutes) from `start` on to `end` in which anything was measured, in their
        order. Raises Unavailable."""
        first = int(start // step_s) * step_s
        try:
            busy = await busy_minutes(self._store, first // 60, int(end // 60) + 1, step_s // 60)
            traffic = await self._traffic(first, end, step_s)
        except StoreError as error:
            raise Unavailable("the store does not answer at present") from error
        return spans_of({minute * 60: each for minute, each in busy.items()}, traffic)


async def traffic_of(store: Store, start: float, end: float, step_s: int) -> Mapping[int, Traffic]:
    """Read from the rollups, and from the journal where they do not reach. Raises StoreError."""
    told = await answer(store, Question(start, end, width_s=step_s, wants_quantiles=False))
    return {
        at: Traffic(counts.requests, counts.latency_us / counts.requests / 1e6)
        for at, counts in ((at, each.tally.told) for at, each in told.total.items())
        if counts.requests
    }


def spans_of(busy: Mapping[int, Busy], traffic: Mapping[int, Traffic]) -> list[Span]:
    """Both together, by the first second of each span."""
    spans = []
    for at in sorted({*busy, *traffic}):
        machine, asked = busy.get(at), traffic.get(at)
        spans.append(
            Span(
                float(at),
                None if machine is None else machine.cpu_percent,
                None if machine is None else machine.memory_percent,
                None if machine is None else machine.gpu_percent,
                asked.requests if asked is not None else 0,
                asked.duration_s if asked is not None and asked.requests else None,
            )
        )
    return spans
