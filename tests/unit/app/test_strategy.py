"""Policies that are changed and kept."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.app.settings import RoutingSettings
from remuda.app.strategy import MAX_MODELS, POLICY, KeptStrategy
from remuda.gateway.choosing import Choosing
from remuda.store import Store, open_store, store_url_in
from remuda.store.overrides import set_override
from remuda.testing.clock import FakeClock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


def strategy(store: Store) -> KeptStrategy:
    routing = RoutingSettings(policy="weighted", policies={"m": "round_robin"})
    choosing = Choosing(
        routing.policy,
        routing.policies,
        affinity_header=None,
        is_explained=False,
        monotonic=lambda: 0.0,
        chance=lambda: 0.5,
    )
    return KeptStrategy(routing, choosing, store, FakeClock())


async def test_a_change_is_kept_and_seen_by_others(store: Store) -> None:
    one, two = strategy(store), strategy(store)
    assert (one.policy, dict(one.by_model)) == ("weighted", {"m": "round_robin"})
    await one.set("least_active", None)
    assert await two.renew() == await store.revision()
    assert (two.policy, dict(two.by_model)) == ("least_active", {"m": "round_robin"})
    await two.set(None, {})
    await one.renew()
    assert (one.policy, dict(one.by_model)) == ("least_active", {})
    await set_override(store, POLICY, None, 0.0)
    await one.renew()
    assert one.policy == "weighted", "what the settings say counts again"


async def test_what_makes_no_sense_changes_nothing(store: Store) -> None:
    one = strategy(store)
    for policy, by_model in (
        ("fastest", None),
        (None, {"m": "fastest"}),
        (None, dict.fromkeys(map(str, range(MAX_MODELS + 1)), "weighted")),
        (None, {"m" * 201: "weighted"}),
    ):
        with pytest.raises(ValueError, match=r"."):
            await one.set(policy, by_model)
    assert one.policy == "weighted"


async def test_a_policy_of_a_later_version_is_passed_over(store: Store) -> None:
    one = strategy(store)
    await set_override(store, POLICY, '"telepathy"', 0.0)
    await one.renew()
    assert one.policy == "weighted"
