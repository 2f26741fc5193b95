"""Which of two models is better: a table of cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.comparison import Run, RunState, Side, SideResult, judged, messages_of, planned, result_of, results_of


def side(
    latency_ms: float | None = None, rate: float | None = None, cost_nano: float | None = 0, *, answered=1, failed=0
) -> SideResult:
    latency_s = None if latency_ms is None else latency_ms / 1000
    return SideResult(answered, failed, latency_s, None, rate, 10, cost_nano)


FAILED = SideResult(answered=0, failed=1)


@pytest.mark.parametrize(
    ("a", "b", "winner"),
    [
        # The document's own example: 1200 ms and 150 tokens against 1800 ms and 200 tokens.
        (side(1200, 125, 50_000_000), side(1800, 111, 80_000_000), "model_a"),
        (side(1800, 111, 80_000_000), side(1200, 125, 50_000_000), "model_b"),
        # Two of three.
        (side(100, 50, 9), side(200, 25, 1), "model_a"),
        (side(100, 25, 9), side(200, 50, 1), "model_b"),
        # Without prices there is no difference in cost.
        (side(100, 50), side(200, 25), "model_a"),
        # One of three is not most of them.
        (side(100, 50), side(200, 50), "tie"),
        (side(100, 50), side(200, 80), "tie"),
        (side(100, 50, 5), side(100, 50, 5), "tie"),
        # The dead band: 5 per cent of the larger one, the border in it.
        (side(95, 100), side(100, 95), "tie"),
        (side(94.9, 100), side(100, 94.9), "model_a"),
        # What is not known of both tells nothing.
        (side(None, None), side(200, 25), "tie"),
        # A side that fails loses, however quick it is.
        (FAILED, side(9000, 1), "model_b"),
        (side(9000, 1), FAILED, "model_a"),
        (side(1, 1000, answered=9, failed=1), side(9000, 1, answered=10), "model_b"),
        # Failures within the dead band do not decide.
        (side(100, 50, answered=95, failed=5), side(200, 25, answered=100), "model_a"),
        (FAILED, FAILED, None),
    ],
)
def test_the_winner(a: SideResult, b: SideResult, winner: str | None):
    verdict = judged(a, b)
    assert verdict.winner == winner
    assert verdict.reasons
    assert (verdict.error is None) is (winner is not None)


FIGURES = st.none() | st.floats(0.0, 1e6)
SIDES = st.builds(side, FIGURES, FIGURES, FIGURES, answered=st.integers(0, 9), failed=st.integers(0, 9))
OTHER = {"model_a": "model_b", "model_b": "model_a", "tie": "tie", None: None}


@given(SIDES, SIDES)
def test_it_does_not_matter_which_one_is_named_first(a: SideResult, b: SideResult):
    assert judged(b, a).winner == OTHER[judged(a, b).winner]


@given(SIDES.filter(lambda result: result.answered))
def test_nobody_wins_against_itself(a: SideResult):
    assert judged(a, a).winner == "tie"


def test_the_reasons_name_the_figures():
    assert judged(side(1200, 125, 50_000_000), side(1800, 111, 80_000_000)).reasons == (
        "latency: model_a is better (1200 ms against 1800 ms)",
        "tokens per second: model_a is better (125 against 111)",
        "cost: model_a is better (0.05 against 0.08)",
    )
    assert judged(side(100, None), side(100, 5)).reasons[:2] == (
        "latency: no difference beyond 5% (100 ms against 100 ms)",
        "tokens per second: not known of both",
    )
    assert judged(FAILED, side(1, 1)).reasons == ("model_a failed in 1 of 1 runs",)


def run(side: Side, prompt: int, latency_s: float | None, tokens: int = 10, state: RunState = RunState.DONE) -> Run:
    return Run(0, side, prompt, 0, state, latency_s=latency_s, prompt_tokens=5, completion_tokens=tokens, cost_nano=3)


def test_medians_are_of_what_was_answered_and_sums_of_all():
    runs = [run(Side.A, 0, latency) for latency in (1.0, 2.0, 9.0)] + [run(Side.A, 0, None, 0, RunState.FAILED)]
    found = result_of(runs)
    assert (found.answered, found.failed) == (3, 1)
    assert (found.latency_s, found.tokens_per_second, found.completion_tokens) == (2.0, 5.0, 10)
    assert (found.total_tokens, found.total_cost_nano, found.failed_share) == (50, 12, 0.25)
    assert result_of([]).failed_share == 1.0


def test_prompts_are_won_one_by_one():
    found = results_of(
        [
            run(Side.A, 0, 1.0),
            run(Side.B, 0, 2.0),
            run(Side.A, 1, 2.0),
            run(Side.B, 1, 1.0),
            run(Side.A, 2, 1.0),
            run(Side.B, 2, 1.0),
            run(Side.A, 3, None, state=RunState.FAILED),
            run(Side.B, 3, None, state=RunState.FAILED),
        ]
    )
    assert found.wins == {"model_a": 1, "model_b": 1, "tie": 1}
    assert found.model_a.failed == 1


def test_the_order_of_runs():
    runs = planned(2, 2)
    assert [each.place for each in runs] == list(range(8))
    assert [each.side for each in runs] == [Side.A] * 4 + [Side.B] * 4
    assert [(each.repeat, each.prompt) for each in runs[:4]] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_what_is_asked():
    assert messages_of("Hi") == [{"role": "user", "content": "Hi"}]
    assert messages_of([{"role": "system", "content": "Be brief"}]) == [{"role": "system", "content": "Be brief"}]
