"""Where settings came from, and what is wrong with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from remuda.app.exits import CommandError, Exit

Loc = tuple[str | int, ...]
"""A setting's place: `("server", "port")`, `("upstreams", 0, "url")`."""


def dotted(loc: Loc) -> str:
    """The place as people write it: `upstreams.0.url`."""
    return ".".join(str(part) for part in loc)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one value came from."""

    kind: Literal["default", "file", "environment", "command line"]
    place: str
    """`remuda.yaml:12`, the variable, or the option; `default`."""

    def __str__(self) -> str:
        return self.place


DEFAULT = Origin("default", "default")


class Origins:
    """The origin of every value that is not its default."""

    __slots__ = ("_at",)

    def __init__(self, at: Mapping[Loc, Origin] | None = None) -> None:
        self._at = dict(at or {})

    def __iter__(self) -> Iterator[Loc]:
        return iter(self._at)

    def replace(self, loc: Loc, origin: Origin) -> None:
        """`loc`, and all below it, now comes from `origin`."""
        for known in [known for known in self._at if known[: len(loc)] == loc]:
            del self._at[known]
        self._at[loc] = origin

    def find(self, loc: Loc) -> Origin | None:
        """The origin of `loc`, or of the list it stands in; None where it has its default."""
        return next((self._at[loc[:length]] for length in range(len(loc), 0, -1) if loc[:length] in self._at), None)

    def of(self, loc: Loc) -> Origin:
        """The origin of `loc`, its default where nothing else gave it."""
        return self.find(loc) or DEFAULT


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    place: str
    """`remuda.yaml:12`, the variable, or the option."""
    setting: str
    """The setting's dotted name; empty where the trouble is with the whole file."""
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.setting, self.message) if part)


class SettingsError(CommandError):
    """The settings cannot be used. Holds every problem there is, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems), Exit.CONFIGURATION)
