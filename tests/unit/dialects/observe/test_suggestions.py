"""A suggestion in the document's shape."""

import msgspec
import pytest

from remuda.core.faults import InvalidRequest
from remuda.core.suggestion import Change, Draft, Gain, Suggestion, SuggestionState
from remuda.dialects.observe.suggestions import dry_run, shown, state_in

DRAFT = Draft(
    rule="high_latency",
    suggestion_type="performance",
    model_name="llama2",
    title="High Latency Detected",
    description="Average latency is 2500ms with 45 requests exceeding 150% of average. "
    "Consider optimizing model parameters or upgrading hardware.",
    priority="high",
    potential_improvement="25-40% latency reduction",
    expected_gain=Gain("mean latency", 2500.123456, 1900.0, "ms", "that it holds"),
    evidence={"query": "answered requests", "requests": 100},
    changes=(Change("models.max_loaded", 2, 3), Change("llamacpp.n_ctx", None, 8192)),
)
EXAMPLE = {
    "id": 1,
    "suggestion_type": "performance",
    "model_name": "llama2",
    "title": "High Latency Detected",
    "description": DRAFT.description,
    "priority": "high",
    "potential_improvement": "25-40% latency reduction",
    "is_implemented": False,
    "created_at": "2025-01-17T10:00:00Z",
    "implemented_at": None,
}


def suggestion(state: SuggestionState = SuggestionState.OPEN, draft: Draft = DRAFT) -> Suggestion:
    ended_at = None if state is SuggestionState.OPEN else 1737108060.0
    return Suggestion(1, state, 1737108000.0, 1737108030.0, ended_at, draft)


def test_the_documents_own_example():
    found = msgspec.to_builtins(shown(suggestion()))
    assert {name: found[name] for name in EXAMPLE} == EXAMPLE
    assert {name: found[name] for name in found if name not in EXAMPLE} == {
        "state": "open",
        "rule": "high_latency",
        "expected_gain": {
            "figure": "mean latency",
            "now": 2500.1235,
            "then": 1900.0,
            "unit": "ms",
            "assumes": "that it holds",
        },
        "evidence": {"query": "answered requests", "requests": 100},
        "has_dry_run": True,
        "measured_at": "2025-01-17T10:00:30Z",
        "dismissed_at": None,
    }


def test_one_that_is_over():
    done = shown(suggestion(SuggestionState.IMPLEMENTED))
    assert (done.is_implemented, done.implemented_at, done.dismissed_at) == (True, "2025-01-17T10:01:00Z", None)
    dismissed = shown(suggestion(SuggestionState.DISMISSED))
    assert (dismissed.is_implemented, dismissed.implemented_at) == (False, None)
    assert dismissed.dismissed_at == "2025-01-17T10:01:00Z"


def test_what_would_be_changed():
    found = dry_run(suggestion())
    assert found.message == (
        "Would change models.max_loaded: 2 -> 3; llamacpp.n_ctx: its default -> 8192. Nothing was changed."
    )
    assert msgspec.to_builtins(found.changes) == [
        {"setting": "models.max_loaded", "present": 2, "proposed": 3},
        {"setting": "llamacpp.n_ctx", "present": None, "proposed": 8192},
    ]
    bare = suggestion(draft=DRAFT._replace(changes=(), expected_gain=None))
    assert (dry_run(bare).changes, dry_run(bare).expected_gain) == ([], None)
    assert not shown(bare).has_dry_run


def test_states():
    assert state_in("open") is SuggestionState.OPEN
    assert state_in("all") is None
    with pytest.raises(InvalidRequest, match="state is one of open, implemented, dismissed, all"):
        state_in("x")
