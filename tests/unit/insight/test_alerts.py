"""Rules, changed and listed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from remuda.core.alert import AlertMetric
from remuda.core.faults import InvalidRequest
from remuda.insight.alert_telling import AlertTelling
from remuda.insight.alert_watch import AlertWatch
from remuda.insight.alerts import Alerts
from remuda.store import Store, open_store, store_url_in
from remuda.testing.clock import FakeClock
from tests.contract.store.samples import a_record
from tests.fixtures.asgi import count_up
from tests.unit.core.test_alert import a_rule


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
def watch(store: Store) -> AlertWatch:
    return AlertWatch(store, FakeClock(), "g")


@pytest.fixture
def alerts(store: Store, watch: AlertWatch) -> Alerts:
    clock = FakeClock(wall=1000.0)
    return Alerts(store, watch, AlertTelling(store, clock, count_up(), {"ops": ("http://h/",)}), clock)


async def test_a_rule_is_judged_by_from_the_moment_it_is_kept(alerts: Alerts, watch: AlertWatch):
    rule = await alerts.add(a_rule(threshold=1.0))
    assert (rule.id, rule.created_at) == (4, 1000.0)
    watch.take([a_record(duration_s=0.1)])
    await watch.judge()
    assert [event.rule_id for event in await alerts.events(10)] == [4]
    assert await alerts.change(replace(rule, threshold=9000.0))
    assert await alerts.events(10, only_open=True) == []
    assert await alerts.remove(4)
    assert not await alerts.remove(4)
    assert not await alerts.change(rule)
    assert await alerts.rule(4) is None


async def test_muted_and_heard_again(alerts: Alerts):
    rule = await alerts.add(a_rule())
    muted = await alerts.mute(rule, 60.0)
    assert muted is not None
    assert (await alerts.rule(rule.id)) == muted
    assert muted.muted_until == 1060.0
    heard = await alerts.mute(muted, None)
    assert heard is not None
    assert heard.muted_until is None
    await alerts.remove(rule.id)
    assert await alerts.mute(rule, 60.0) is None


async def test_whose_rules_are_seen(alerts: Alerts):
    mine = await alerts.add(a_rule(key_id="mine"))
    theirs = await alerts.add(a_rule(key_id="theirs"))
    assert len(await alerts.rules()) == 5
    assert [rule.id for rule in await alerts.rules("mine")] == [1, 2, 3, mine.id]
    assert await alerts.rule(theirs.id, "mine") is None


@pytest.mark.parametrize(
    ("parameter", "fields"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "x" * 201}),
        ("name", {"name": "a\nb"}),
        ("model", {"model": " "}),
        ("key_id", {"key_id": "\0"}),
        ("replica", {"replica": "r" * 201}),
        ("threshold", {"threshold": float("inf")}),
        ("threshold", {"threshold": float("nan")}),
        ("threshold", {"metric": AlertMetric.ERROR_RATE, "threshold": 100.5}),
        ("cooldown_s", {"cooldown_s": 0.5}),
        ("window_s", {"window_s": 9.0}),
        ("window_s", {"window_s": 86_401.0}),
        ("window_s", {"metric": AlertMetric.BUDGET, "window_s": 60.0}),
        ("replica", {"metric": AlertMetric.BUDGET, "replica": "r"}),
        ("model", {"metric": AlertMetric.REPLICA_DOWN, "model": "m"}),
        ("channels", {"channels": ("nobody",)}),
        ("channels", {"channels": ("ops",) * 21}),
    ],
)
async def test_what_is_no_rule(alerts: Alerts, parameter, fields):
    with pytest.raises(InvalidRequest) as refused:
        await alerts.add(a_rule(**fields))
    assert refused.value.parameter == parameter
    assert len(await alerts.rules()) == 3
