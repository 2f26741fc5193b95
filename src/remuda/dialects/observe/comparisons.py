"""Two models compared: made, watched, told."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from fastapi import Request, Response

from remuda.core.comparison import Comparison, Prompt, Run, Side, SideResult
from remuda.core.faults import InvalidRequest, Unavailable, UnknownEntry
from remuda.core.moments import iso_time
from remuda.dialects.kit.access import Rule
from remuda.dialects.observe.comparison_schemas import (
    SCHEMAS as SCHEMAS,
)
from remuda.dialects.observe.comparison_schemas import (
    ComparisonBody,
    ComparisonProgress,
    ComparisonRun,
    ComparisonSide,
    DeletedComparison,
    ModelComparison,
    WholeComparison,
)
from remuda.dialects.observe.forms import Fields, fields_in
from remuda.dialects.observe.parts import Add, answered, id_in, number_in, sees_all
from remuda.jobs.comparisons import Comparisons, Replay, Wanted

RULES: Final[tuple[Rule, ...]] = ()
PATH: Final = "/api/model-comparisons"
LISTED: Final = 100
MAX_LISTED: Final = 200
MAX_MODEL_CHARS: Final = 256
MAX_PROMPT_CHARS: Final = 1_000_000
"""Before the comparisons' own bound, which is lower and names itself."""
MAX_TOKENS: Final = 1_000_000
MAX_SEED: Final = 2**32 - 1


class ComparisonRoutes:
    """What answers them."""

    def __init__(self, comparisons: Comparisons | None = None) -> None:
        """Without comparisons, to be listed and described only."""
        self._given = comparisons

    def add_to(self, add: Add) -> None:
        """All of them."""
        one = PATH + "/{comparison_id}"
        add("GET", PATH, self._list, "Comparisons of models, newest first", list[ModelComparison])
        add("POST", PATH, self._create, "Compare two models", ModelComparison, status=202, body=ComparisonBody)
        add("GET", one, self._one, "One comparison with all its runs", WholeComparison)
        add("DELETE", one, self._delete, "Forget a comparison", DeletedComparison)

    @property
    def _comparisons(self) -> Comparisons:
        if self._given is None:
            raise Unavailable
        return self._given

    async def _list(self, request: Request) -> Response:
        limit = number_in(request, "limit", LISTED, least=1, most=MAX_LISTED)
        before = number_in(request, "before", 0) or None
        page = await self._comparisons.page(_whose(request), limit, before)
        answers = await self._comparisons.answers(page)
        return answered([shown(each, answers.get((each.id, Side.A)), answers.get((each.id, Side.B))) for each in page])

    async def _create(self, request: Request) -> Response:
        caller = request.state.caller
        wanted = wanted_in(await fields_in(request))
        made = await self._comparisons.create(wanted, caller.key_id, sees_all=sees_all(caller))
        return answered(shown(made), 202)

    async def _one(self, request: Request) -> Response:
        found = await self._comparisons.find(_id(request), _whose(request))
        runs = await self._comparisons.runs(found.id)
        position = None if found.state.is_over else await self._comparisons.position(runs)
        return answered(shown_whole(found, runs, position))

    async def _delete(self, request: Request) -> Response:
        await self._comparisons.delete(_id(request), _whose(request))
        return answered(DeletedComparison())


def wanted_in(fields: Fields) -> Wanted:
    """What is to be compared; raises InvalidRequest."""
    model_a = fields.text("model_a", max_chars=MAX_MODEL_CHARS)
    last = fields.whole("replay", None, least=1)
    listed = fields.listed("prompts", None)
    return Wanted(
        name=fields.text("comparison_name"),
        model_a=model_a,
        model_b=fields.text("model_b", max_chars=MAX_MODEL_CHARS),
        test_prompt=fields.text("test_prompt", None, max_chars=MAX_PROMPT_CHARS),
        prompts=None if listed is None else [_prompt_in(each) for each in listed],
        file_id=fields.text("file_id", None),
        replay=None if last is None else Replay(fields.text("replay_model", model_a, max_chars=MAX_MODEL_CHARS), last),
        repeats=fields.whole("repeats", 1, least=1),
        temperature=fields.number("temperature", None, least=0.0, most=2.0),
        max_tokens=fields.whole("max_tokens", None, least=1, most=MAX_TOKENS),
        seed=fields.whole("seed", None, most=MAX_SEED),
    )


def shown(comparison: Comparison, answer_a: str | None = None, answer_b: str | None = None) -> ModelComparison:
    """A comparison as the document has it."""
    return ModelComparison(**_fields(comparison, answer_a, answer_b, None))


def shown_whole(comparison: Comparison, runs: Sequence[Run], position: int | None) -> WholeComparison:
    """The same with its runs."""
    answers = {run.side: run.answer for run in reversed(runs) if run.answer is not None}
    models = {Side.A: comparison.model_a, Side.B: comparison.model_b}
    fields = _fields(comparison, answers.get(Side.A), answers.get(Side.B), position)
    return WholeComparison(**fields, runs=[_run(run, models[run.side]) for run in runs])


def _fields(comparison: Comparison, answer_a: str | None, answer_b: str | None, position: int | None) -> dict[str, Any]:
    results = comparison.results
    a, b = (None, None) if results is None else (_side(results.model_a), _side(results.model_b))
    return {
        "id": comparison.id,
        "comparison_name": comparison.name,
        "model_a": comparison.model_a,
        "model_b": comparison.model_b,
        "test_prompt": comparison.prompt,
        "result_a_latency": a and a.latency,
        "result_b_latency": b and b.latency,
        "result_a_tokens": a and a.tokens,
        "result_b_tokens": b and b.tokens,
        "result_a_cost": a and a.cost,
        "result_b_cost": b and b.cost,
        "winner": comparison.winner,
        "created_at": iso_time(comparison.created_at),
        "state": comparison.state.value,
        "progress": ComparisonProgress(comparison.done, comparison.total, position),
        "error": comparison.error,
        "reasons": comparison.reasons,
        "answer_a": answer_a,
        "answer_b": answer_b,
        "source": comparison.source,
        "prompts": comparison.prompts,
        "repeats": comparison.repeats,
        "parameters": comparison.parameters,
        "side_a": a,
        "side_b": b,
        "wins": None if results is None else results.wins,
        "started_at": None if comparison.started_at is None else iso_time(comparison.started_at),
        "ended_at": None if comparison.ended_at is None else iso_time(comparison.ended_at),
    }


def _side(result: SideResult) -> ComparisonSide:
    tokens = result.completion_tokens
    return ComparisonSide(
        answered=result.answered,
        failed=result.failed,
        latency=_ms(result.latency_s),
        time_to_first_token=_ms(result.ttft_s),
        tokens_per_second=_rounded(result.tokens_per_second),
        # Whole as the document has it, but for the middle of an even number of runs.
        tokens=int(tokens) if tokens is not None and tokens == int(tokens) else tokens,
        cost=None if result.cost_nano is None else _cost(result.cost_nano),
        total_tokens=result.total_tokens,
        total_cost=_cost(result.total_cost_nano),
    )


def _run(run: Run, model: str) -> ComparisonRun:
    return ComparisonRun(
        model=model,
        prompt=run.prompt,
        repeat=run.repeat,
        state=run.state.value,
        latency=_ms(run.latency_s),
        time_to_first_token=_ms(run.ttft_s),
        tokens_per_second=_rounded(run.tokens_per_second),
        prompt_tokens=run.prompt_tokens,
        completion_tokens=run.completion_tokens,
        cost=_cost(run.cost_nano),
        answer=run.answer,
        error=run.error,
        task_id=run.task_id,
        log_id=run.journal_id,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _cost(nano: float) -> float:
    return round(nano / 1e9, 10)


def _prompt_in(said: Any) -> Prompt:
    try:
        prompt: Prompt = msgspec.convert(said, str | list[dict[str, Any]])
    except msgspec.ValidationError:
        prompt = []
    if not prompt or not all(isinstance(each, str) or isinstance(each.get("role"), str) for each in prompt):
        raise InvalidRequest("each of 'prompts' is a text, or a list of messages with their roles", parameter="prompts")
    return prompt


def _whose(request: Request) -> str | None:
    """Whose comparisons the caller sees; None: everybody's."""
    caller = request.state.caller
    key_id: str = caller.key_id
    return None if sees_all(caller) else key_id


def _id(request: Request) -> int:
    id_ = id_in(request, "comparison_id")
    if id_ is None:
        raise UnknownEntry("Comparison not found")
    return id_
