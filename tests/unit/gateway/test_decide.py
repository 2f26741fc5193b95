"""What is kept of choices."""

from collections.abc import Sequence

import pytest

from remuda.core.decision import IDLE, MAX_KEPT, MAX_TOLD, ONLY, SESSION, Decision
from remuda.core.faults import UpstreamFailed
from remuda.fleet.registry import Model
from remuda.fleet.replica import Replica, ReplicaState, Slots
from remuda.gateway.decide import note, note_chain, note_idle
from remuda.gateway.exchange import Exchange, Setback
from tests.unit.fleet.samples import replica
from tests.unit.gateway.test_exchange import begun

A, B = replica("a"), replica("b", in_use=1)
OF_BOTH = (("a/m", 0, 4), ("b/m", 1, 4))


def again(exchange: Exchange, chosen: str) -> Exchange:
    """The attempt on `chosen` has failed."""
    exchange.attempts += 1
    exchange.replica = chosen
    exchange.setback = Setback(UpstreamFailed(), None, 0)
    return exchange


def test_a_choice_is_kept_with_those_who_could_have_been() -> None:
    exchange, _ = begun()
    assert exchange.decisions == ()
    assert note(exchange, "weighted", B, [A, B]) == Decision(1, "weighted", "b/m", OF_BOTH)
    assert exchange.decisions == (Decision(1, "weighted", "b/m", OF_BOTH),)


@pytest.mark.parametrize(("by", "kept"), [("weighted", ONLY), (SESSION, SESSION)])
def test_of_one_there_is_no_choice(by: str, kept: str) -> None:
    assert note(begun()[0], by, A, [A]).by == kept


def test_of_many_the_first_are_listed() -> None:
    herd = [replica(str(number)) for number in range(MAX_TOLD + 7)]
    decision = note(begun()[0], "weighted", herd[-1], herd)
    assert (len(decision.of), decision.more, decision.chosen) == (MAX_TOLD, 7, herd[-1].id)


def test_who_was_idle_was_not_compared() -> None:
    exchange, _ = begun()
    note_idle(exchange, A, 49)
    assert exchange.decisions == (Decision(1, IDLE, "a/m", (("a/m", 0, 4),), 49),)


def test_each_attempt_has_its_decision() -> None:
    exchange, _ = begun()
    note(exchange, "weighted", A, [A, B])
    note(again(exchange, "a/m"), "weighted", B, [B])
    exchange.head_sent = True
    note(again(exchange, "b/m"), "weighted", A, [A, B])
    assert [(each.attempt, each.by, each.chosen, each.after) for each in exchange.decisions] == [
        (1, "weighted", "a/m", ""),
        (2, ONLY, "b/m", "upstream_failed"),
        (3, "weighted", "a/m", "stream_cut"),
    ]


def test_an_attempt_without_a_choice_is_told_once_there_is_another() -> None:
    exchange, _ = begun()
    note(again(exchange, "a/m"), "weighted", B, [B])
    assert exchange.decisions[0] == Decision(1, ONLY, "a/m")
    assert [each.attempt for each in exchange.decisions] == [1, 2]


def test_the_last_attempts_are_told() -> None:
    exchange, _ = begun()
    for _ in range(MAX_KEPT + 5):
        note(exchange, "weighted", A, [A, B])
        again(exchange, "a/m")
    assert [each.attempt for each in exchange.decisions] == list(range(6, MAX_KEPT + 6))


HELD_BACK = Slots(4)
HELD_BACK.total = 0


@pytest.mark.parametrize(
    ("replicas", "tried", "has_begun", "why"),
    [
        ([], False, False, "not served"),
        ([replica("x", state=ReplicaState.STANDBY)], False, False, "standby"),
        ([replica("x", state=ReplicaState.DRAINING)], False, False, "draining"),
        (
            [replica("x", state=ReplicaState.DRAINING), replica("y", state=ReplicaState.STANDBY)],
            False,
            False,
            "standby",
        ),
        ([replica("x", slots=HELD_BACK)], False, False, "held back"),
        ([replica("x")], True, False, "failed the request"),
        ([replica("x")], True, True, "cannot go on with it"),
    ],
)
def test_why_a_model_of_a_chain_was_passed_over(
    replicas: Sequence[Replica], why: str, *, tried: bool, has_begun: bool
) -> None:
    big, small = Model("big", tuple(replicas)), Model("small", (A,))
    smart = Model("smart", chain=(big, small))
    exchange, _ = begun()
    exchange.head_sent = has_begun
    taken = replica("a", in_use=1)
    note_chain(exchange, smart, small, taken, replicas if tried else ())
    [decision] = exchange.decisions
    assert (decision.by, decision.of) == (ONLY, (("a/m", 0, 4),)), "as it was before the slot was taken"
    assert (decision.alias, decision.model, decision.passed_over) == ("smart", "small", (("big", why),))


def test_a_choice_within_a_chain_says_both() -> None:
    big, small = Model("big", (A, B)), Model("small")
    exchange, _ = begun()
    note(exchange, "weighted", A, [A, B])
    note_chain(exchange, Model("smart", chain=(big, small)), big, A, ())
    [decision] = exchange.decisions
    assert decision == Decision(1, "weighted", "a/m", OF_BOTH, alias="smart", model="big")
