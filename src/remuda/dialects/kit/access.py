"""What a caller needs for each route: data, looked up by the front before anything else happens."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from remuda.core.keys import Scope

READING: Final = frozenset(("GET", "HEAD"))
LOG_IN: Final = frozenset(("POST",))
WEBSOCKET: Final = "WEBSOCKET"
"""Stands for the method where a WebSocket is opened."""


class Access(NamedTuple):
    """What one route needs of its caller."""

    scope: Scope | None
    """None: anybody may."""
    also: Scope | None = None
    """A scope that does as well."""
    takes_query_key: bool = False
    """The key may stand in `?api_key=`: for server-sent events, which browsers open without headers."""

    def __str__(self) -> str:
        return "public" if self.scope is None else self.scope + (f" or {self.also}" if self.also else "")


PUBLIC: Final = Access(None)
MANAGING: Final = Access(Scope.MANAGE)
BY_DEFAULT: Final = Access(Scope.READ)


@dataclass(frozen=True, slots=True)
class Rule:
    """Another need than the default, for one path or all below it."""

    path: str
    """Exact, or ending in `/*`: everything below."""
    access: Access
    methods: frozenset[str] | None = READING
    """None: all of them."""
    brings_credential: bool = False
    """The request is about its own credential: a log-in, or the end of one. It alone may be public though it is no
    reading."""

    def __post_init__(self) -> None:
        is_log_in = self.brings_credential and self.methods == LOG_IN and not self.path.endswith("/*")
        if self.access.scope is None and not is_log_in and (self.methods is None or not self.methods <= READING):
            raise ValueError(f"{self.path}: only reading may be public, and logging in")


class Policy:
    """All rules. What no rule names is closed: GET and HEAD need `read`, everything else `manage`."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._exact: dict[str, list[Rule]] = {}
        below: list[tuple[str, Rule]] = []
        for rule in rules:
            if rule.path.endswith("/*"):
                below.append((rule.path[:-1], rule))
            else:
                self._exact.setdefault(rule.path, []).append(rule)
        self._below = sorted(below, key=lambda entry: -len(entry[0]))

    def need(self, method: str, path: str) -> Access:
        """What `method` on `path` needs; exact rules come first, then longer prefixes before shorter ones."""
        for rule in self._exact.get(path, ()):
            if rule.methods is None or method in rule.methods:
                return rule.access
        for prefix, rule in self._below:
            if path.startswith(prefix) and (rule.methods is None or method in rule.methods):
                return rule.access
        return BY_DEFAULT if method in READING else MANAGING
