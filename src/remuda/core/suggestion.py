"""A suggestion: what could be better, by which numbers, and what would have to be changed for it."""

from enum import StrEnum
from typing import Any, Final, NamedTuple

GENERAL: Final = "general"
"""Stands for a model where all are meant."""


class SuggestionState(StrEnum):
    """Where a suggestion stands."""

    OPEN = "open"
    IMPLEMENTED = "implemented"
    DISMISSED = "dismissed"


class Gain(NamedTuple):
    """What would be gained, reckoned from what was measured."""

    figure: str
    now: float
    then: float
    unit: str
    assumes: str
    """What has to hold for it."""

    def __str__(self) -> str:
        return f"{self.figure}: {shown(self.now)} now, {shown(self.then)} then ({self.unit})"


class Change(NamedTuple):
    """A setting that would be another."""

    setting: str
    present: Any
    proposed: Any


class Draft(NamedTuple):
    """A suggestion as a rule makes it."""

    rule: str
    """Tells it from those of other rules; with the model it is the same suggestion again."""
    suggestion_type: str
    """`performance`, `parameter` or `hardware`."""
    model_name: str
    title: str
    description: str
    priority: str
    """`high`, `medium` or `low`."""
    potential_improvement: str
    expected_gain: Gain | None
    """None where the numbers do not tell."""
    evidence: dict[str, Any]
    """The numbers, and under `query` which requests they are of."""
    changes: tuple[Change, ...] = ()
    """What the gateway's settings would be; empty where it is not in these."""


class Suggestion(NamedTuple):
    """A suggestion as it is kept. Times are wall clock, seconds since 1970."""

    id: int
    state: SuggestionState
    created_at: float
    measured_at: float
    """When its numbers are of."""
    ended_at: float | None
    """When it was marked as implemented, or dismissed."""
    draft: Draft


def shown(value: float) -> str:
    """A number as a sentence has it."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
