"""What asking a server has told, in a form that other gateways can take over."""

from dataclasses import dataclass

import msgspec

from remuda.core.node import NodeKind
from remuda.fleet.health import Health
from remuda.fleet.sources.questions import Found


@dataclass(frozen=True, slots=True)
class Sighting:
    """A server as it was seen last."""

    health: Health
    kind: NodeKind | None
    trouble: str
    """Why it did not answer; empty where it did."""
    latency_s: float | None
    found: Found | None
    """What it said when it last answered; None where it never did."""


_decoder = msgspec.json.Decoder(Sighting)


def written(sighting: Sighting) -> str:
    """In JSON."""
    return msgspec.json.encode(sighting).decode()


def read(text: str) -> Sighting | None:
    """What `written` gave; None where it is of another version of this program."""
    try:
        return _decoder.decode(text)
    except msgspec.MsgspecError:
        return None
