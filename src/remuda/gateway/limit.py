"""Step: what the caller may use. So far every caller is granted; the permit's life cycle is what limits will use."""

from types import TracebackType
from typing import Final

from remuda.core.ask import Ask
from remuda.core.keys import Caller


class Permit:
    """What limits granted for one ask: reserved before sending, settled on leaving, whatever happened in between."""

    __slots__ = ()

    def __enter__(self) -> "Permit":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is reserved yet, so nothing is settled."""


UNLIMITED: Final = Permit()
"""The permit of whoever has no limits: there is nothing to keep of it."""


def grant(caller: Caller, ask: Ask) -> Permit:
    """A permit for `ask`; will raise RateLimited once tiers have limits."""
    del caller, ask
    return UNLIMITED
