"""Policies change while requests are under way."""

import pytest

from remuda.fleet.policies.named import PLAIN
from remuda.gateway.choose import Chooser
from remuda.gateway.choosing import DEFAULT, POLICY_NAMES, Choosing


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
