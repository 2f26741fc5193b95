"""Events as requests make them, on a real store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.core.alert import AlertMetric, AlertRule
from remuda.insight.alert_watch import BUFFERED, GONE_S, HOLD_S, AlertWatch
from remuda.store import Store, open_store, store_url_in
from remuda.store.alert_events import events_page, open_events
from remuda.store.errors import StoreError
from remuda.testing.clock import FakeClock
from tests.contract.store.samples import a_record, run_sql
from tests.unit.core.test_alert import a_rule

SLOW = a_record(duration_s=6.5)
QUICK = a_record(duration_s=0.5)
FAILED = a_record(status=500, fault="upstream_failed")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


def watch_on(store: Store, *rules: AlertRule, clock: FakeClock | None = None, holder: str = "g", **values):
    watch = AlertWatch(store, clock or FakeClock(), holder, **values)
    watch.use(rules or [a_rule()])
    return watch


async def events(store: Store):
    return [(event.metric_value, event.resolved_at is None) for event in await events_page(store, 100)]


async def test_one_event_that_is_resolved_when_the_condition_clears(store: Store):
    heard = []
    clock = FakeClock()
    watch = watch_on(store, clock=clock, on_event=heard.append)
    watch.take([QUICK])
    await watch.judge()
    assert await events(store) == []
    watch.take([SLOW, a_record(duration_s=7.0)])
    await watch.judge()
    watch.take([SLOW])
    await watch.judge()
    assert await events(store) == [(6500.0, True)]
    assert (watch.open, watch.events) == (1, 1)
    await clock.advance(2.0)
    watch.take([QUICK])
    await watch.judge()
    await watch.judge()
    [event] = await events_page(store, 100)
    assert event.resolved_at == event.triggered_at + 2.0
    assert [each.resolved_at for each in heard] == [None, event.resolved_at]
    assert watch.open == 0


async def test_a_hit_between_two_looks_is_an_event_though_it_is_over(store: Store):
    watch = watch_on(store)
    watch.take([QUICK, SLOW, QUICK])
    await watch.judge()
    assert await events(store) == [(6500.0, False)]


async def test_a_storm_is_one_event(store: Store):
    clock = FakeClock()
    watch = watch_on(store, a_rule(metric=AlertMetric.ERROR_RATE, threshold=10.0), clock=clock)
    for _ in range(100):
        watch.take([FAILED] * 100)
    await watch.judge()
    for _ in range(20):
        watch.take([QUICK] * 20 + [FAILED] * 20)
        await watch.judge()
        await clock.advance(1.0)
    assert len(await events(store)) == 1


async def test_another_after_the_cooldown(store: Store):
    clock = FakeClock()
    watch = watch_on(store, a_rule(cooldown_s=60.0), clock=clock)
    for _ in range(7):
        watch.take([SLOW, QUICK])
        await watch.judge()
        await clock.advance(10.0)
    assert len(await events(store)) == 2


async def test_the_buffer_is_bounded(store: Store):
    watch = watch_on(store)
    watch.take([QUICK] * BUFFERED)
    watch.take([SLOW] * 3)
    assert watch.dropped == 3
    await watch.judge()
    assert await events(store) == []
    watch.take([SLOW])
    await watch.judge()
    assert len(await events(store)) == 1


async def test_no_text_is_held(store: Store):
    watch = watch_on(store)
    watch.take([QUICK._replace(prompt_text="p", answer_text="a", parameters="{}")])
    assert watch._buffer == [QUICK]


async def test_an_open_event_outlives_the_gateway(store: Store):
    first = watch_on(store)
    first.take([SLOW])
    await first.judge()
    await first.close()
    second = watch_on(store, holder="h")
    second.take([SLOW])
    await second.judge()
    assert await events(store) == [(6500.0, True)]
    second.take([QUICK])
    await second.judge()
    assert await events(store) == [(6500.0, False)]


async def test_another_gateway_whose_requests_are_well_resolves_nothing(store: Store):
    clock = FakeClock()
    rule = a_rule(window_s=60.0, threshold=100.0)
    ill, well = watch_on(store, rule, clock=clock), watch_on(store, rule, clock=clock, holder="h")
    for _ in range(5):
        ill.take([SLOW])
        well.take([a_record(duration_s=0.01)])
        await ill.judge()
        await well.judge()
        await clock.advance(HOLD_S)
    assert await events(store) == [(6500.0, True)]
    for _ in range(5):  # the ill one has died
        well.take([a_record(duration_s=0.01)])
        await well.judge()
        await clock.advance(HOLD_S)
    assert await events(store) == [(6500.0, False)]


async def test_an_event_without_a_rule_is_over(store: Store):
    watch = watch_on(store)
    watch.take([SLOW])
    await watch.judge()
    watch.use([a_rule(id=2)])
    await watch.judge()
    assert await events(store) == [(6500.0, False)]
    assert watch.open == 0


async def test_two_gateways_make_one_event(store: Store):
    one, two = watch_on(store), watch_on(store, holder="h")
    for watch in (one, two):
        watch.take([SLOW])
        await watch.judge()
    assert len(await events(store)) == 1


async def test_a_store_that_is_away_loses_no_event(store: Store):
    watch = watch_on(store)
    await watch.judge()
    await run_sql(store, "ALTER TABLE alert_events RENAME TO away")
    watch.take([SLOW])
    with pytest.raises(StoreError):
        await watch.judge()
    watch.take([QUICK])
    await run_sql(store, "ALTER TABLE away RENAME TO alert_events")
    await watch.judge()
    assert await events(store) == [(6500.0, False)]


async def test_what_is_gathered_outlives_a_change_that_is_no_other_condition(store: Store):
    rule = a_rule(metric=AlertMetric.ERROR_RATE, threshold=90.0)
    watch = watch_on(store, rule)
    watch.take([QUICK] * 9)
    await watch.judge()
    watch.use([a_rule(metric=AlertMetric.ERROR_RATE, threshold=90.0, muted_until=1.0)])
    watch.take([FAILED])
    await watch.judge()
    assert await events(store) == []
    watch.use([a_rule(metric=AlertMetric.ERROR_RATE, threshold=80.0)])
    watch.take([FAILED])
    await watch.judge()
    assert await events(store) == [(100.0, True)]
    watch.use([])
    watch.take([FAILED])
    await watch.judge()
    assert len(await events(store)) == 1


async def test_budgets(store: Store):
    used = {"monthly": 69.0, "daily": 91.0}
    watch = watch_on(store, a_rule(metric=AlertMetric.BUDGET, threshold=70.0), budgets=lambda: used)
    await watch.judge()
    assert [(event.subject, event.message) for event in await open_events(store)] == [
        ("daily", "High Latency Alert: budget (91.0) gt 70.0 [daily]")
    ]
    used["daily"] = 0.0
    await watch.judge()
    assert await open_events(store) == []


async def test_replicas(store: Store):
    clock = FakeClock()
    down_s = {"one/m": 31.0, "two/m": 0.0}
    rules = [
        a_rule(metric=AlertMetric.REPLICA_DOWN, threshold=30.0),
        a_rule(id=2, metric=AlertMetric.REPLICA_DOWN, threshold=0.0, replica="two/m"),
    ]
    watch = watch_on(store, *rules, clock=clock, down_s=lambda: down_s)
    await watch.judge()
    down_s["two/m"] = 1.0
    await watch.judge()
    assert [(event.rule_id, event.subject) for event in await open_events(store)] == [(1, "one/m"), (2, "two/m")]
    down_s.clear()
    await watch.judge()
    assert len(await open_events(store)) == 2
    await clock.advance(GONE_S)
    await watch.judge()
    assert await open_events(store) == []


async def test_it_judges_by_itself_and_forgets_what_is_old(store: Store):
    clock = FakeClock()
    watch = watch_on(store, clock=clock, retention_s=60.0)
    watch.start()
    await clock.asleep(2)
    watch.take([SLOW, QUICK])
    while not watch.events:
        await clock.advance(1.0)
    await clock.asleep(2)
    while await events(store):
        await clock.advance(3600.0)
    await watch.close()
