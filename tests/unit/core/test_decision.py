"""Decisions, as they are kept and as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.decision import (
    COUNTING,
    IDLE,
    MAX_BYTES,
    MAX_KEPT,
    MAX_TOLD,
    ONLY,
    SESSION,
    Decision,
    decisions_in,
    in_words,
    rendered,
)

OF = (("a/m", 0, 4), ("b/m", 1, 4))


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (Decision(1, "weighted", "a/m", OF), "a/m by weighted, of a/m (0/4), b/m (1/4)"),
        (Decision(1, "weighted", "a/m", OF, 3), "a/m by weighted, of a/m (0/4), b/m (1/4) and 3 more"),
        (Decision(1, SESSION, "b/m", OF), "b/m by its session, of a/m (0/4), b/m (1/4)"),
        (Decision(1, IDLE, "a/m", OF[:1], 49), "a/m as it was idle, of a/m (0/4) and 49 more"),
        (Decision(1, COUNTING, "a/m", OF), "a/m as it can count tokens, of a/m (0/4), b/m (1/4)"),
        (Decision(1, ONLY, "a/m"), "a/m as the only one"),
        (
            Decision(2, ONLY, "a/m", OF[:1], after="upstream_failed"),
            "a/m as the only one, of a/m (0/4); another attempt after upstream_failed",
        ),
        (
            Decision(1, ONLY, "b/small", alias="smart", model="small", passed_over=(("big", "standby"),)),
            "b/small as the only one; smart stands for small now, big was passed over (standby)",
        ),
    ],
)
def test_in_words(decision: Decision, said: str) -> None:
    assert in_words(decision) == said


def test_what_is_kept_has_no_fields_with_nothing_to_say() -> None:
    assert rendered([Decision(1, "weighted", "a/m", OF)]) == (
        '[{"attempt":1,"by":"weighted","chosen":"a/m","of":[["a/m",0,4],["b/m",1,4]]}]'
    )


IDS = st.text(max_size=40)
CANDIDATES = st.lists(st.tuples(IDS, st.integers(0, 9), st.integers(0, 9)), max_size=MAX_TOLD).map(tuple)


@given(
    st.lists(
        st.builds(
            Decision,
            attempt=st.integers(1, 99),
            by=IDS,
            chosen=IDS,
            of=CANDIDATES,
            more=st.integers(0, 99),
            after=IDS,
            alias=IDS,
            model=IDS,
            passed_over=st.lists(st.tuples(IDS, IDS), max_size=4).map(tuple),
        ),
        max_size=MAX_KEPT,
    )
)
def test_what_is_kept_is_bounded_and_can_be_read(decisions: list[Decision]) -> None:
    text = rendered(decisions)
    if text is None:
        return  # even the last one is too long, or no text: see below
    assert len(text.encode()) <= MAX_BYTES
    read = decisions_in(text)
    assert read == decisions[len(decisions) - len(read) :] or [
        (each.attempt, each.chosen, len(each.of) + each.more) for each in read
    ] == [(each.attempt, each.chosen, len(each.of) + each.more) for each in decisions[len(decisions) - len(read) :]]


def test_where_there_is_much_fewer_candidates_are_listed_and_the_last_decisions_kept() -> None:
    of = tuple((f"{'long-name' * 9}{number}/m", number, 20) for number in range(MAX_TOLD))
    decisions = [Decision(attempt, "round_robin", of[0][0], of) for attempt in range(1, 6)]
    read = decisions_in(rendered(decisions))
    assert [(each.attempt, len(each.of), each.more) for each in read] == [(n, 4, 16) for n in range(1, 6)]
    read = decisions_in(rendered(decisions * 4))
    assert [(each.attempt, len(each.of), each.more) for each in read] == [(n, 1, 19) for n in range(2, 6)]


def test_what_cannot_be_kept_is_left_out() -> None:
    assert rendered([Decision(1, "weighted", "x" * MAX_BYTES)]) is None
    assert rendered([Decision(1, "weighted", "half a pair \ud800")]) is None


@pytest.mark.parametrize("text", [None, "", "nonsense", "{}", '[{"attempt":"one"}]', "\ud800"])
def test_what_cannot_be_read_is_nothing(text: str | None) -> None:
    assert decisions_in(text) == []


def test_another_version_may_say_more() -> None:
    [read] = decisions_in('[{"attempt":1,"by":"weighted","chosen":"a/m","mood":"good"}]')
    assert read == Decision(1, "weighted", "a/m")
