"""How much a request may be in a hurry."""

from enum import IntEnum


class Priority(IntEnum):
    """Classes of requests that wait for the same model; the lower the number, the sooner served."""

    HIGH = 0
    NORMAL = 1
    LOW = 2
    BACKGROUND = 3
    """Nobody waits for it in person."""

    @property
    def word(self) -> str:
        """As headers and lists say it."""
        return self.name.lower()


WORDS = {priority.word: priority for priority in Priority}
