"""What a check has to say."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It works, but hardly as meant."""
    FAIL = "fail"
    """It does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer."""

    level: Level
    subject: str
    """One word: `store`, `port`, `model`."""
    message: str
    advice: str = ""
    """What to do about it."""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def ok(subject: str, message: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, subject, message)


def warn(subject: str, message: str, advice: str) -> Finding:
    """It works, but hardly as meant."""
    return Finding(Level.WARN, subject, message, advice)


def fail(subject: str, message: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(Level.FAIL, subject, message, advice)
