"""Step: what the caller may use: no more than budgets have left. Further limits will have permits of the same kind."""

from collections.abc import Callable, Mapping
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
        """Nothing is reserved, so nothing is settled."""


class Reservation(Permit):
    """Something is set aside for the ask, which others cannot have meanwhile."""

    __slots__ = ("_give_back",)

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back = give_back

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It is over: what it used is charged when it is recorded, in this very turn of the event loop."""
        self._give_back()


UNLIMITED: Final = Permit()
"""The permit of whoever has no limits: there is nothing to keep of it."""


Reserve = Callable[[Caller, Ask], Callable[[], None] | None]
"""Sets aside what an ask may use; what it returns gives that back. None: there is nothing to set aside. Raises
BudgetExceeded."""


class Limiter:
    """Grants permits."""

    __slots__ = ("reserve",)

    def __init__(self) -> None:
        self.reserve: Reserve | None = None
        """None while there is nothing that anybody could use up."""

    def grant(self, caller: Caller, ask: Ask, fields: Mapping[bytes, bytes]) -> Permit:
        """A permit for `ask`, which came with these headers.

        Raises Forbidden, InvalidRequest for a priority that the caller may not have or that is none, BudgetExceeded.
        """
        if HEADER in fields:
            check_priority(fields[HEADER], caller)
        if self.reserve is None:
            return UNLIMITED
        give_back = self.reserve(caller, ask)
        return UNLIMITED if give_back is None else Reservation(give_back)
