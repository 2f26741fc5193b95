"""Policies change while requests are under way."""

import pytest

from remuda.core.ask import Ask, Operation
from remuda.fleet.policies.named import PLAIN
from remuda.fleet.registry import Model
from remuda.gateway.choose import Chooser
from remuda.gateway.choosing import DEFAULT, POLICY_NAMES, Choosing
from tests.unit.fleet.policies.test_lowest_latency import record
from tests.unit.fleet.samples import replica
from tests.unit.gateway.test_exchange import begun


def choosing(policy: str = DEFAULT, header: str | None = None, *, is_explained: bool = False) -> Choosing:
    return Choosing(
        policy,
        {},
        affinity_header=header,
        is_explained=is_explained,
        monotonic=lambda: 0.0,
        chance=lambda: 0.5,
    )


def test_as_usual_nothing_is_looked_up() -> None:
    assert choosing().chooser is None
    assert choosing("weighted").chooser is not None
    assert choosing(header="X-Session").chooser is not None
    assert choosing(is_explained=True).chooser is not None


def test_a_change_is_told_and_can_be_taken_back() -> None:
    held = choosing()
    told: list[Chooser | None] = []
    held.on_change(told.append)
    held.use("round_robin", {})
    held.use(DEFAULT, {"m": "prefix_affinity"})
    held.use(DEFAULT, {})
    assert [each is None for each in told] == [False, False, True]
    assert (held.policy, held.by_model) == (DEFAULT, {})


def test_a_policy_that_is_none_changes_nothing() -> None:
    held = choosing("weighted")
    before = held.chooser
    for policy, by_model in (("fastest", {}), (DEFAULT, {"m": "fastest"})):
        with pytest.raises(ValueError, match="no policy called 'fastest'"):
            held.use(policy, by_model)
    assert held.chooser is before


def test_all_policies_have_a_name() -> None:
    assert set(PLAIN) < set(POLICY_NAMES)
    for name in POLICY_NAMES:
        assert choosing(name).policy == name


def test_choices_are_named_and_learnt_from() -> None:
    held = choosing("lowest_latency")
    herd = (replica("a"), replica("b"))
    ask, model = Ask(Operation.CHAT, "m", False, False, 1, b"{}"), Model("m", herd)

    def chosen(attempts: int = 0, failed: str = "") -> str:
        exchange, _ = begun()
        exchange.attempts, exchange.replica = attempts, failed
        assert held.chooser is not None
        choice = held.chooser.choose(herd, model, ask, exchange)
        assert exchange.decisions[-1].by == "lowest_latency"
        return choice.id

    held.learn([record(replica="a/m", ttft_s=0.5), record(replica="b/m", ttft_s=0.1)])
    assert chosen() == "b/m"
    assert chosen(attempts=1, failed="b/m") == "a/m", "it has just failed"
    held.use("prefix_affinity", {})
    held.left(["a/m"])


def test_what_no_policy_goes_by_is_not_learnt() -> None:
    held = choosing("weighted")
    held.learn([record(replica="a/m", ttft_s=9.0), record(replica="b/m", ttft_s=0.1)])
    held.use("lowest_latency", {})
    herd = (replica("a"), replica("b"))
    assert held.chooser is not None
    ask = Ask(Operation.CHAT, "m", False, False, 1, b"{}")
    assert held.chooser.choose(herd, Model("m", herd, turn=0), ask, begun()[0]).id == "a/m"


def test_a_models_policy_holds_for_either_of_its_names() -> None:
    held, herd = choosing(), (replica("a"), replica("b"))
    held.use(DEFAULT, {"m:latest": "weighted"})
    exchange, _ = begun()
    exchange.model = "m"
    assert held.chooser is not None
    held.chooser.choose(herd, Model("m", herd), Ask(Operation.CHAT, "m", False, False, 1, b"{}"), exchange)
    assert exchange.decisions[-1].by == "weighted"
    assert held.by_model == {"m:latest": "weighted"}, "shown as it was said"
