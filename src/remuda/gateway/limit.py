"""Step: what the caller may use. So far every caller is granted; the permit's life cycle is what limits will use."""

from collections.abc import Mapping
from types import TracebackType
from typing import Final

from remuda.core.ask import Ask
from remuda.core.keys import Caller
from remuda.gateway.priority import HEADER, check_priority


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


def grant(caller: Caller, ask: Ask, fields: Mapping[bytes, bytes]) -> Permit:
    """A permit for `ask`, which came with these headers; will raise RateLimited once tiers have limits.

    Raises Forbidden, InvalidRequest for a priority that the caller may not have or that is none.
    """
    del ask
    if HEADER in fields:
        check_priority(fields[HEADER], caller)
    return UNLIMITED
