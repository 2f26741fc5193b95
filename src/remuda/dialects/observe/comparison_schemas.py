"""The bodies of comparisons."""

from typing import Any, Final

import msgspec


class ComparisonBody(msgspec.Struct):
    """What is to be compared; one of `test_prompt`, `prompts`, `file_id` and `replay` says what is asked."""

    comparison_name: str
    model_a: str
    model_b: str
    test_prompt: str | None = None
    prompts: list[str | list[dict[str, Any]]] | None = None
    file_id: str | None = None
    replay: int | None = None
    replay_model: str | None = None
    repeats: int = 1
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None


class ComparisonProgress(msgspec.Struct):
    """How far it is: runs that are over, of how many, and where the one that waits stands in the queue of its model."""

    done: int
    total: int
    position: int | None = None


class ComparisonSide(msgspec.Struct):
    """One of the two: medians of the runs that were answered, sums of all. Times in milliseconds."""

    answered: int
    failed: int
    latency: float | None
    time_to_first_token: float | None
    tokens_per_second: float | None
    tokens: float | None
    cost: float | None
    total_tokens: int
    total_cost: float


class ComparisonRun(msgspec.Struct):
    """One ask of one of the two. Times in milliseconds."""

    model: str
    prompt: int
    repeat: int
    state: str
    latency: float | None
    time_to_first_token: float | None
    tokens_per_second: float | None
    prompt_tokens: int
    completion_tokens: int
    cost: float
    answer: str | None
    error: str | None
    task_id: str | None
    log_id: int | None


class ModelComparison(msgspec.Struct, kw_only=True):
    """A comparison, as the document has it, and how it stands."""

    id: int
    comparison_name: str
    model_a: str
    model_b: str
    test_prompt: str
    result_a_latency: float | None
    result_b_latency: float | None
    result_a_tokens: float | None
    result_b_tokens: float | None
    result_a_cost: float | None
    result_b_cost: float | None
    winner: str | None
    created_at: str
    state: str
    progress: ComparisonProgress
    error: str | None
    reasons: list[str]
    answer_a: str | None
    answer_b: str | None
    source: str
    prompts: int
    repeats: int
    parameters: dict[str, Any]
    side_a: ComparisonSide | None
    side_b: ComparisonSide | None
    wins: dict[str, int] | None
    started_at: str | None
    ended_at: str | None


class WholeComparison(ModelComparison):
    """The same with all its runs."""

    runs: list[ComparisonRun]


class DeletedComparison(msgspec.Struct):
    """It is gone."""

    message: str = "Comparison deleted"


SCHEMAS: Final = (
    ComparisonBody,
    ComparisonProgress,
    ComparisonSide,
    ComparisonRun,
    ModelComparison,
    WholeComparison,
    DeletedComparison,
)
