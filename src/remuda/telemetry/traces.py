"""Where requests stand in the traces of their clients: W3C's Trace Context (`traceparent`, `tracestate`), level 1."""

import re
from typing import Final, NamedTuple

from remuda.core.ids import Ids

MAX_OPEN: Final = 65_536
"""Requests under way whose places are kept; of more, the oldest ones' spans are traces of their own."""

# Later versions may add fields; these four stay.
_TRACEPARENT: Final = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED: Final = 1


class Place(NamedTuple):
    """One span's place."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""
    parent_id: str = ""
    """The client's span; empty where the trace begins here."""
    is_sampled: bool = True
    """Whether anybody is to be told of it."""
    state: bytes = b""
    """What tracing systems before this one keep with the trace, as `wire.tracestate` gives it."""

    @property
    def traceparent(self) -> bytes:
        """What those are told whom this one asks."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}".encode()


class Places:
    """Of the requests under way."""

    def __init__(self, ids: Ids, max_open: int = MAX_OPEN) -> None:
        """`ids` gives random ones of at least 32 hex digits."""
        self._ids = ids
        self._max_open = max_open
        self._open: dict[tuple[str, float], Place] = {}

    def begin(self, request_id: str, started_at: float, traceparent: bytes | None, state: bytes = b"") -> Place:
        """A new span for a request, in the trace that its client names."""
        if len(self._open) >= self._max_open:
            del self._open[next(iter(self._open))]
        place = self._open[request_id, started_at] = self._within(traceparent, state)
        return place

    def end(self, request_id: str, started_at: float) -> Place:
        """The place of a request that is over; of one that never began here, a trace of its own."""
        return self._open.pop((request_id, started_at), None) or self._within(None)

    def _within(self, traceparent: bytes | None, state: bytes = b"") -> Place:
        span_id = self._ids()[:16]
        found = None if traceparent is None else _TRACEPARENT.fullmatch(traceparent)
        if found is not None:
            version, trace_id, parent_id, flags, more = found.groups()
            if trace_id.strip(b"0") and parent_id.strip(b"0") and (version != b"00" or more is None):
                is_sampled = bool(int(flags, 16) & _SAMPLED)
                return Place(trace_id.decode(), span_id, parent_id.decode(), is_sampled, state)
        return Place(self._ids()[:32], span_id)
