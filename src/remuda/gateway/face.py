"""What the gateway asks of a dialect; the dialects themselves stand above and are handed in."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from remuda.core.ask import Ask, Operation
from remuda.core.faults import Fault
from remuda.core.keys import Scope


class Refusal(NamedTuple):
    """A fault as one dialect says it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Face(Protocol):
    """One dialect, as far as the lane needs it."""

    @property
    def name(self) -> str:
        """The dialect's name, as in the journal."""
        ...

    def read(self, operation: Operation, body: bytes) -> Ask:
        """The ask that a request body holds; raises InvalidRequest."""
        ...

    def refusal(self, fault: Fault, request_id: str) -> Refusal:
        """The answer that says `fault`, before anything else has been sent."""
        ...

    def stream_error(self, fault: Fault, request_id: str) -> bytes:
        """What says `fault` inside a stream that has begun."""
        ...


@dataclass(frozen=True, slots=True)
class LaneRoute:
    """An inference POST that the lane carries."""

    path: str
    face: Face
    operation: Operation | None
    """None only for the route that refuses what came to no route."""
    scope: Scope = Scope.INFERENCE
