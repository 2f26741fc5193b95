"""How a span of time is put together from what was added up beforehand, exactly.

What requests came to is kept in *grains*: for each whole minute, five minutes, hour and day. A span takes the coarsest
grain for its whole days, finer ones towards its ends, and single requests for what is left over.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

MINUTE: Final = 60
FIVE_MINUTES: Final = 300
HOUR: Final = 3600
DAY: Final = 86_400
GRAINS: Final = (MINUTE, FIVE_MINUTES, HOUR, DAY)
"""Seconds; each divides the next."""
ALWAYS: Final = 2**40
"""Later than any moment, in seconds."""


class Mark(NamedTuple):
    """From when until when a grain is kept: complete for those that begin in between, not to be used outside."""

    grain_s: int
    since: int
    """Earlier ones were removed."""
    until: int
    """Later ones are not made yet; `ALWAYS` for the finest, which is made with each request."""


class Piece(NamedTuple):
    """A part of a span; `grain_s` 0 stands for the requests themselves."""

    grain_s: int
    start: float
    end: float


def cut(start: float, end: float, marks: Sequence[Mark]) -> list[Piece]:
    """The pieces of the span from `start` to before `end`, in their order, without gap or overlap: those of the
    coarsest of `marks` that can be used, wherever it can."""
    if start >= end:
        return []
    if not marks:
        return [Piece(0, start, end)]
    coarsest = max(marks)
    finer = [mark for mark in marks if mark is not coarsest]
    grain = coarsest.grain_s
    first = -int(-max(start, coarsest.since) // grain) * grain
    last = int(min(end, coarsest.until) // grain) * grain
    if first >= last:
        return cut(start, end, finer)
    return [*cut(start, first, finer), Piece(grain, first, last), *cut(last, end, finer)]
