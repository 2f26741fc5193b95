"""How a worker has a task answered."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from remuda.core.record import RequestRecord
from remuda.core.task import Claim


class Outcome(NamedTuple):
    """What an attempt brought."""

    status: int
    """Of HTTP; 499 where it was called off."""
    body: bytes
    """The answer, whole; a fault's words where it failed."""
    text: str | None
    """The text in it, where it is a text."""
    record: RequestRecord | None
    """What the journal is to keep."""
    error_type: str = ""
    """The code of the fault it ended with; empty where all went well."""
    error_message: str = ""


class Running(Protocol):
    """An attempt under way."""

    async def outcome(self) -> Outcome:
        """What it brings, when it is over: to be awaited once. Not raised, but told, is whatever went wrong."""
        ...

    @property
    def tokens(self) -> int:
        """How many tokens have come so far, about."""
        ...

    def stop(self, *, is_too_late: bool = False) -> None:
        """It is no longer wanted; `is_too_late`: for its time is over."""
        ...


class Runner(Protocol):
    """Has tasks answered."""

    def start(self, claim: Claim, tell: Callable[[str, int], None]) -> Running:
        """Begin; `tell` gets the text of the answer as it comes, where it comes so, and how many tokens there are."""
        ...
