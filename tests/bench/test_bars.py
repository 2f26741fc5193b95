"""Verdicts: what counts as kept, missed, failed, and what proves nothing."""

import pytest
from bench.bars import BARS, Bound, Ratio, Verdict, judge


def test_a_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    bar = Ratio("cpu", "f", "nginx", limit=2.0, failure=3.0)
    judged = bar.judge({"remuda": {"f": [10, 100, 30]}, "nginx": {"f": [10, 50, 10]}})
    assert judged.verdict is Verdict.KEPT
    assert judged.figure.startswith("2.00 times (1.00-3.00)")


@pytest.mark.parametrize(
    ("own", "strictly", "verdict"),
    [
        (19.9, False, Verdict.KEPT),
        (20.0, False, Verdict.KEPT),
        (20.0, True, Verdict.MISSED),
        (21.0, False, Verdict.MISSED),
        (31.0, False, Verdict.FAILED),
    ],
)
def test_a_ratio_is_kept_missed_or_failed(own: float, strictly: bool, verdict: Verdict) -> None:
    bar = Ratio("cpu", "f", "nginx", limit=2.0, strictly=strictly, failure=3.0)
    assert bar.judge({"remuda": {"f": [own]}, "nginx": {"f": [10.0]}}).verdict is verdict


def test_without_the_other_nothing_is_known() -> None:
    assert {judged.verdict for judged in judge({"remuda": {}})} == {Verdict.UNKNOWN}
    assert Ratio("cpu", "f", "nginx", 1).judge({"remuda": {"f": [1.0]}}).verdict is Verdict.UNKNOWN


def test_one_lost_chunk_in_one_round_is_a_miss() -> None:
    lost = next(bar for bar in BARS if isinstance(bar, Bound) and bar.figure == "lost_200")
    assert lost.judge({"remuda": {"lost_200": [0, 0, 1, 0, 0]}}).verdict is Verdict.MISSED


def test_where_nothing_in_between_fails_too_the_machine_is_unfit() -> None:
    bar = Bound("late", "f", 100, "ms", control=Bound("longer", "g", 5, "%"))
    assert bar.judge({"remuda": {"f": [120.0]}, "direct": {"g": [9.0]}}).verdict is Verdict.UNFIT
    assert bar.judge({"remuda": {"f": [120.0]}, "direct": {"g": [1.0]}}).verdict is Verdict.MISSED
    assert bar.judge({"remuda": {"f": [20.0]}, "direct": {"g": [9.0]}}).verdict is Verdict.KEPT
    for said in ({"nginx": {"f": [110.0], "g": [9.0]}}, {"direct": {}}):
        assert bar.judge({"remuda": {"f": [120.0]}, **said}).verdict is Verdict.MISSED


def test_some_bounds_are_reached_from_below() -> None:
    bar = Bound("held", "f", 3000, "", at_least=True)
    assert bar.judge({"remuda": {"f": [3000]}}).verdict is Verdict.KEPT
    assert bar.judge({"remuda": {"f": [2999]}}).verdict is Verdict.MISSED
