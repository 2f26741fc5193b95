"""What suggestions go by: the traffic of a while, from the journal, and what the running gateway knows besides."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

from remuda.core.moments import iso_time
from remuda.core.traffic import Beginning, Load, ReplicaTraffic, Traffic, Window, merged

FEW_REQUESTS: Final = 20
"""Of fewer, means tell little."""
SAME_CHARS: Final = 200
"""Prompts that have so many characters at the beginning in common are taken to begin the same."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One replica of a model, as the fleet has it now."""

    replica: str
    model: str
    slots: int
    context: int | None
    """Tokens per slot."""
    is_local: bool
    """Whether this gateway started its engine, and its settings are the gateway's."""


@dataclass(frozen=True, slots=True)
class Held:
    """A model that is held in memory somewhere, or could be."""

    model: str
    is_loaded: bool
    size_bytes: int | None
    """What its weights take up."""
    quantization: str | None
    is_local: bool
    loads: int = 0
    """How often it was loaded here since the gateway began."""
    load_s: float = 0.0
    """How long that took together."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What the running gateway knows."""

    watched_s: float = 0.0
    """For how long it has run."""
    placed: Sequence[Placed] = ()
    held: Sequence[Held] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that rules propose to change, by their dotted names."""


class Reread(NamedTuple):
    """Prompts to one model that begin as earlier ones did that another replica has read."""

    requests: int
    prompt_tokens: int
    cached_tokens: int
    shared_tokens: int
    """What of their prompts had been read before, about."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it."""

    window: Window
    replicas: Sequence[ReplicaTraffic]
    slow: tuple[int, float] = (0, 0.0)
    """Requests that took longer than half as long again as the mean, and how long those took together."""
    loads: Mapping[str, Load] = field(default_factory=dict)
    """By replica."""
    reread: Mapping[str, Reread] = field(default_factory=dict)
    """By model."""
    asked: Mapping[str, int] = field(default_factory=dict)
    """Requests of every kind since `asked_since`, by model: from the rollups, which know all, however many."""
    asked_since: float = 0.0
    """Wall clock."""
    readings: Readings = Readings()
    target_latency_s: float = 2.0
    """From here on an answer is slow."""
    target_tokens_per_second: float = 20.0

    @property
    def total(self) -> Traffic:
        """All traffic together."""
        return merged(each.traffic for each in self.replicas)

    @property
    def models(self) -> dict[str, Traffic]:
        """Traffic by model, by name."""
        found: dict[str, list[Traffic]] = defaultdict(list)
        for each in self.replicas:
            found[each.model].append(each.traffic)
        return {model: merged(found[model]) for model in sorted(found)}

    def evidence(
        self, query: str, *, model: str | None = None, replica: str | None = None, **figures: Any
    ) -> dict[str, Any]:
        """Figures with the question that they answer, in words, and the filter that finds the requests in the log."""
        rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}
        bounds = {"from": iso_time(self.window.since), "to": iso_time(self.window.until)}
        named = {name: value for name, value in (("model", model), ("replica", replica)) if value is not None}
        return {
            "query": query,
            "filter": bounds | named,
            "window_hours": round(self.window.seconds / 3600, 2),
            "is_cut": self.total.requests >= self.window.most,
            **rounded,
        }


def reread_by_model(beginnings: Sequence[Beginning]) -> dict[str, Reread]:
    """Which prompts had to be read although another replica had read their beginning; newest first they come in."""
    groups: dict[tuple[str, str], list[Beginning]] = defaultdict(list)
    for each in reversed(beginnings):
        if len(each.text) >= SAME_CHARS:
            groups[each.model, each.text[:SAME_CHARS]].append(each)
    found: dict[str, Reread] = {}
    for (model, _), group in groups.items():
        moved = [each for before, each in pairwise(group) if each.replica != before.replica]
        if not moved:
            continue
        shared = _shared_chars([each.text for each in group])
        had = found.get(model, Reread(0, 0, 0, 0))
        found[model] = Reread(
            had.requests + len(moved),
            had.prompt_tokens + sum(each.prompt_tokens for each in moved),
            had.cached_tokens + sum(each.cached_tokens for each in moved),
            had.shared_tokens + sum(int(each.prompt_tokens * min(1.0, shared / each.chars)) for each in moved),
        )
    return found


def _shared_chars(texts: Sequence[str]) -> int:
    """How many characters at their beginning all of them have in common."""
    first, last = min(texts), max(texts)
    return next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
