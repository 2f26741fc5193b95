"""What could be better: suggested on demand, with the numbers behind it; done, dismissed, or tried dry."""

from typing import Any, Final

import msgspec
from fastapi import Request, Response

from remuda.core.faults import InvalidRequest, Unavailable, UnknownEntry
from remuda.core.moments import iso_time
from remuda.core.suggestion import Suggestion, SuggestionState
from remuda.dialects.kit.access import Rule
from remuda.dialects.observe.parts import Add, answered, id_in, number_in
from remuda.insight.suggestions import Suggestions
from remuda.jobs.translated import translated

RULES: Final[tuple[Rule, ...]] = ()
PATH: Final = "/api/optimization-suggestions"
LISTED: Final = 100
MAX_LISTED: Final = 1000
ALL: Final = "all"
NO_DATA: Final = "No recent data available for analysis"


class ExpectedGain(msgspec.Struct):
    """What would be gained, reckoned from what was measured, and what has to hold for it."""

    figure: str
    now: float
    then: float
    unit: str
    assumes: str


class ProposedChange(msgspec.Struct):
    """A setting of the gateway that would be another; `present` is null where it has its default of none."""

    setting: str
    present: Any
    proposed: Any


class OptimizationSuggestion(msgspec.Struct, kw_only=True):
    """A suggestion, as the document has it, with its evidence."""

    id: int
    suggestion_type: str
    model_name: str
    title: str
    description: str
    priority: str
    potential_improvement: str
    is_implemented: bool
    created_at: str
    implemented_at: str | None
    state: str
    rule: str
    expected_gain: ExpectedGain | None
    evidence: dict[str, Any]
    has_dry_run: bool
    measured_at: str
    dismissed_at: str | None


class GeneratedSuggestion(OptimizationSuggestion):
    """The same, and whether it is new."""

    is_new: bool


class GeneratedSuggestions(msgspec.Struct):
    """What every rule said about the last 24 hours, the most urgent first."""

    message: str
    suggestions: list[GeneratedSuggestion]


class SuggestionMarked(msgspec.Struct):
    """It is done, or dismissed."""

    message: str


class DryRun(msgspec.Struct):
    """What would be changed, of which nothing is."""

    id: int
    message: str
    changes: list[ProposedChange]
    expected_gain: ExpectedGain | None


SCHEMAS: Final = (
    ExpectedGain,
    ProposedChange,
    OptimizationSuggestion,
    GeneratedSuggestion,
    GeneratedSuggestions,
    SuggestionMarked,
    DryRun,
)


class SuggestionRoutes:
    """What answers them."""

    def __init__(self, suggestions: Suggestions | None = None) -> None:
        """Without suggestions, to be listed and described only."""
        self._given = suggestions

    def add_to(self, add: Add) -> None:
        """All of them."""
        one = PATH + "/{suggestion_id}"
        add("GET", PATH, self._list, "Suggestions, newest first", list[OptimizationSuggestion])
        add("POST", PATH + "/generate", self._generate, "Look for what could be better", GeneratedSuggestions)
        add("POST", one + "/implement", self._implement, "Mark a suggestion as implemented", SuggestionMarked)
        add("POST", one + "/dismiss", self._dismiss, "Dismiss a suggestion", SuggestionMarked)
        add("POST", one + "/dry-run", self._dry_run, "What a suggestion would change", DryRun)

    @property
    def _suggestions(self) -> Suggestions:
        if self._given is None:
            raise Unavailable
        return self._given

    async def _list(self, request: Request) -> Response:
        limit = number_in(request, "limit", LISTED, least=1, most=MAX_LISTED)
        before = number_in(request, "before", 0) or None
        state = state_in(request.query_params.get("state", SuggestionState.OPEN.value))
        with translated():
            page = await self._suggestions.page(state, limit, before)
        return answered([shown(each) for each in page])

    async def _generate(self, request: Request) -> Response:
        with translated():
            found = await self._suggestions.generate()
        if found is None:
            return answered(GeneratedSuggestions(NO_DATA, []))
        said = f"Generated {len(found)} optimization suggestions"
        shown_all = [GeneratedSuggestion(**_fields(each.suggestion), is_new=each.is_new) for each in found]
        return answered(GeneratedSuggestions(said, shown_all))

    async def _implement(self, request: Request) -> Response:
        await self._end(request, SuggestionState.IMPLEMENTED)
        return answered(SuggestionMarked("Suggestion marked as implemented"))

    async def _dismiss(self, request: Request) -> Response:
        await self._end(request, SuggestionState.DISMISSED)
        return answered(SuggestionMarked("Suggestion dismissed"))

    async def _end(self, request: Request, state: SuggestionState) -> None:
        id_ = id_in(request, "suggestion_id")
        with translated():
            if id_ is None or not await self._suggestions.end(id_, state):
                raise UnknownEntry("Suggestion not found")

    async def _dry_run(self, request: Request) -> Response:
        id_ = id_in(request, "suggestion_id")
        with translated():
            found = None if id_ is None else await self._suggestions.find(id_)
        if found is None:
            raise UnknownEntry("Suggestion not found")
        return answered(dry_run(found))


def shown(suggestion: Suggestion) -> OptimizationSuggestion:
    """A suggestion as the document has it."""
    return OptimizationSuggestion(**_fields(suggestion))


def dry_run(suggestion: Suggestion) -> DryRun:
    """What a suggestion would change."""
    draft = suggestion.draft
    changes = [ProposedChange(*change) for change in draft.changes]
    said = "; ".join(f"{each.setting}: {_word(each.present)} -> {_word(each.proposed)}" for each in changes)
    message = (
        f"Would change {said}. Nothing was changed."
        if changes
        else "No setting of the gateway would do it: see the description. Nothing was changed."
    )
    return DryRun(suggestion.id, message, changes, _gain(suggestion))


def _fields(suggestion: Suggestion) -> dict[str, Any]:
    draft, state = suggestion.draft, suggestion.state
    ended = None if suggestion.ended_at is None else iso_time(suggestion.ended_at)
    return {
        "id": suggestion.id,
        "suggestion_type": draft.suggestion_type,
        "model_name": draft.model_name,
        "title": draft.title,
        "description": draft.description,
        "priority": draft.priority,
        "potential_improvement": draft.potential_improvement,
        "is_implemented": state is SuggestionState.IMPLEMENTED,
        "created_at": iso_time(suggestion.created_at),
        "implemented_at": ended if state is SuggestionState.IMPLEMENTED else None,
        "state": state.value,
        "rule": draft.rule,
        "expected_gain": _gain(suggestion),
        "evidence": draft.evidence,
        "has_dry_run": bool(draft.changes),
        "measured_at": iso_time(suggestion.measured_at),
        "dismissed_at": ended if state is SuggestionState.DISMISSED else None,
    }


def _gain(suggestion: Suggestion) -> ExpectedGain | None:
    gain = suggestion.draft.expected_gain
    if gain is None:
        return None
    return ExpectedGain(gain.figure, round(gain.now, 4), round(gain.then, 4), gain.unit, gain.assumes)


def state_in(said: str) -> SuggestionState | None:
    """The state that a word names, None for all; raises InvalidRequest."""
    if said == ALL:
        return None
    try:
        return SuggestionState(said)
    except ValueError:
        words = ", ".join(SuggestionState)
        raise InvalidRequest(f"state is one of {words}, {ALL}", parameter="state", received=said[:100]) from None


def _word(value: Any) -> str:
    return "its default" if value is None else str(value)
