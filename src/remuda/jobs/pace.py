"""At which pace the tasks of a model begin, and so about how long one waits."""

from collections.abc import Callable
from typing import Final, NamedTuple

TASKS: Final = 8.0
"""Over how many beginnings the pace is averaged, about."""
FORGOTTEN_S: Final = 600.0
MAX_MODELS: Final = 1000


class _Pace(NamedTuple):
    last: float
    """When the last task began."""
    between_s: float | None
    """Between two, a moving average."""


class Paces:
    """Of all models whose tasks began lately, wherever they are answered, as far as that is told here."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._paces: dict[str, _Pace] = {}
        self.listener: Callable[[str], None] = lambda model: None
        """Is told of each that begins in this process."""

    def began(self, model: str) -> None:
        """A task of the model begins in this process."""
        self.note(model)
        self.listener(model)

    def note(self, model: str) -> None:
        """A task of the model begins somewhere."""
        now = self._monotonic()
        pace = self._paces.pop(model, None)
        if pace is None or now - pace.last > FORGOTTEN_S:
            self._paces[model] = _Pace(now, None)
        else:
            gap = now - pace.last
            between_s = gap if pace.between_s is None else pace.between_s + (gap - pace.between_s) / TASKS
            self._paces[model] = _Pace(now, between_s)
        if len(self._paces) > MAX_MODELS:
            del self._paces[next(iter(self._paces))]

    def eta_s(self, model: str, position: int) -> float | None:
        """About how long until the task at this place of the model's queue begins; None where none has begun lately."""
        pace = self._paces.get(model)
        return None if pace is None or pace.between_s is None else pace.between_s * position
