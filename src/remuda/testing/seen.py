"""What a fake upstream remembers of each request."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec


class Outcome(StrEnum):
    """How a request ended, as the fake saw it."""

    OPEN = "open"
    COMPLETED = "completed"
    """The whole answer was handed to the socket."""
    ABORTED = "aborted"
    """The client left before that."""
    DROPPED = "dropped"
    """A fault, or the fake's own end, cut it off."""


@dataclass(slots=True)
class Seen:
    """One request as it came in."""

    number: int
    """From 1, in order of arrival."""
    connection: int
    """Which connection it came on, from 1."""
    method: str
    target: str
    """Path and query as sent."""
    headers: list[tuple[str, str]]
    """Names as sent, in order, duplicates included."""
    body: bytes
    started: float
    """By the event loop's clock."""
    finished: float | None = None
    outcome: Outcome = Outcome.OPEN
    chunks: int = 0
    """Content chunks that have left."""
    digest: str = ""
    """Of a file that was looked at and not kept: `sha256:` and its hash."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """The first field of that name, in any case of letters."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        """The body decoded."""
        return msgspec.json.decode(self.body)
