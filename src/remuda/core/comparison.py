"""A comparison of two models: what is kept of it, and which of the two did better."""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from statistics import median
from typing import Any, Final, NamedTuple

DEAD_BAND: Final = 0.05
"""Two figures are equal where the smaller lacks no more than this share of the larger. Source: this project's notes on
document S3."""
TIE: Final = "tie"

Prompt = str | list[dict[str, Any]]
"""What is asked: a text, or the messages of a chat."""


class Side(StrEnum):
    """One of the two, in document S3's words."""

    A = "model_a"
    B = "model_b"

    @property
    def other(self) -> "Side":
        """The other one."""
        return Side.B if self is Side.A else Side.A


class RunState(StrEnum):
    """Where one ask of a comparison stands."""

    WAITING = "waiting"
    RUNNING = "running"
    """It is a task."""
    DONE = "done"
    FAILED = "failed"


class ComparisonState(StrEnum):
    """Where a comparison stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """Neither model answered."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self in (ComparisonState.DONE, ComparisonState.FAILED)


class Run(NamedTuple):
    """One ask of one of the two. Times in seconds, without the wait for a slot and for the model to be loaded."""

    place: int
    """From 0 on, in the order in which they are asked."""
    side: Side
    prompt: int
    """Which of the prompts, from 0 on."""
    repeat: int
    """From 0 on."""
    state: RunState
    task_id: str | None = None
    journal_id: int | None = None
    """Its entry in the journal."""
    latency_s: float | None = None
    ttft_s: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano: int = 0
    answer: str | None = None
    """The beginning of it."""
    error: str | None = None

    @property
    def tokens_per_second(self) -> float | None:
        """Of the answer, over all the time it took."""
        return self.completion_tokens / self.latency_s if self.latency_s else None


class SideResult(NamedTuple):
    """What one of the two did: medians of the runs that were answered, and sums of all."""

    answered: int
    failed: int
    latency_s: float | None = None
    ttft_s: float | None = None
    tokens_per_second: float | None = None
    completion_tokens: float | None = None
    cost_nano: float | None = None
    total_tokens: int = 0
    """Of prompts and answers."""
    total_cost_nano: int = 0

    @property
    def failed_share(self) -> float:
        """Of all its runs."""
        runs = self.answered + self.failed
        return self.failed / runs if runs else 1.0


class Verdict(NamedTuple):
    """Which of the two is better."""

    winner: str | None
    """`model_a`, `model_b` or `tie`; None where neither answered."""
    reasons: tuple[str, ...]
    """A sentence for each figure."""
    error: str | None = None


class Results(NamedTuple):
    """What came of a comparison."""

    model_a: SideResult
    model_b: SideResult
    wins: dict[str, int]
    """How many prompts each was better at, by `model_a`, `model_b` and `tie`; those that neither answered are none."""


class NewComparison(NamedTuple):
    """What is asked for when a comparison is made."""

    key_id: str
    name: str
    model_a: str
    model_b: str
    source: str
    """Where the prompts come from: `prompt`, `prompts`, `file` or `replay`."""
    prompts: Sequence[Prompt]
    repeats: int
    parameters: dict[str, Any]
    """Fields of the requests beside model and messages, the same for both."""


class Comparison(NamedTuple):
    """A comparison as it is kept. Times are wall clock, seconds since 1970."""

    id: int
    key_id: str
    name: str
    model_a: str
    model_b: str
    source: str
    prompt: str
    """The first of the prompts, as text."""
    prompts: int
    repeats: int
    parameters: dict[str, Any]
    state: ComparisonState
    total: int
    """Its runs."""
    done: int
    """Those that are over."""
    winner: str | None
    reasons: list[str]
    error: str | None
    results: Results | None
    """None as long as it is under way."""
    created_at: float
    started_at: float | None
    ended_at: float | None


def planned(prompts: int, repeats: int) -> list[Run]:
    """All runs, in order: all of one model first, so that two models that cannot be loaded at once swap places once."""
    asked = [(side, prompt, repeat) for side in Side for repeat in range(repeats) for prompt in range(prompts)]
    return [Run(place, side, prompt, repeat, RunState.WAITING) for place, (side, prompt, repeat) in enumerate(asked)]


def messages_of(prompt: Prompt) -> list[dict[str, Any]]:
    """The messages that ask `prompt`."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def result_of(runs: Iterable[Run]) -> SideResult:
    """What these runs of one side come to."""
    runs = list(runs)
    answered = [run for run in runs if run.state is RunState.DONE]
    return SideResult(
        answered=len(answered),
        failed=sum(run.state is RunState.FAILED for run in runs),
        latency_s=_median(answered, lambda run: run.latency_s),
        ttft_s=_median(answered, lambda run: run.ttft_s),
        tokens_per_second=_median(answered, lambda run: run.tokens_per_second),
        completion_tokens=_median(answered, lambda run: run.completion_tokens),
        cost_nano=_median(answered, lambda run: run.cost_nano),
        total_tokens=sum(run.prompt_tokens + run.completion_tokens for run in runs),
        total_cost_nano=sum(run.cost_nano for run in runs),
    )


def results_of(runs: Sequence[Run]) -> Results:
    """What all runs of a comparison come to."""
    wins = {Side.A.value: 0, Side.B.value: 0, TIE: 0}
    by_prompt: dict[int, list[Run]] = {}
    for run in runs:
        by_prompt.setdefault(run.prompt, []).append(run)
    for each in by_prompt.values():
        winner = judged(*_sides(each)).winner
        if winner is not None:
            wins[winner] += 1
    return Results(*_sides(runs), wins)


def judged(a: SideResult, b: SideResult) -> Verdict:
    """Which of the two is better.

    One that fails more often than the other, by more than the dead band, loses; where neither does, the one that is
    better in at least two of latency, tokens per second and cost wins. All else is a tie.
    """
    if not a.answered and not b.answered:
        said = "neither model answered"
        return Verdict(None, (said,), said)
    if abs(a.failed_share - b.failed_share) > DEAD_BAND:
        winner, loser = (Side.A, b) if a.failed_share < b.failed_share else (Side.B, a)
        runs = loser.answered + loser.failed
        return Verdict(winner.value, (f"{winner.other} failed in {loser.failed} of {runs} runs",))
    found = [
        _better("latency", "ms", _scaled(a.latency_s, 1e3), _scaled(b.latency_s, 1e3), is_less_better=True),
        _better("tokens per second", "", a.tokens_per_second, b.tokens_per_second, is_less_better=False),
        _better("cost", "", _scaled(a.cost_nano, 1e-9), _scaled(b.cost_nano, 1e-9), is_less_better=True),
    ]
    better = [side for side, _ in found]
    winners = [side.value for side in Side if better.count(side) >= 2]
    return Verdict(winners[0] if winners else TIE, tuple(reason for _, reason in found))


def _sides(runs: Sequence[Run]) -> tuple[SideResult, SideResult]:
    a, b = (result_of(run for run in runs if run.side is side) for side in Side)
    return a, b


def _median(runs: Sequence[Run], figure: Callable[[Run], float | None]) -> float | None:
    figures = [value for run in runs if (value := figure(run)) is not None]
    return median(figures) if figures else None


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _better(name: str, unit: str, a: float | None, b: float | None, *, is_less_better: bool) -> tuple[Side | None, str]:
    """The side that is better in one figure, None for neither, and a sentence that says so."""
    if a is None or b is None:
        return None, f"{name}: not known of both"
    against = f"{_shown(a, unit)} against {_shown(b, unit)}"
    if abs(a - b) <= DEAD_BAND * max(abs(a), abs(b)):
        return None, f"{name}: no difference beyond {DEAD_BAND:.0%} ({against})"
    side = Side.A if (a < b) is is_less_better else Side.B
    return side, f"{name}: {side} is better ({against})"


def _shown(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}".rstrip()
