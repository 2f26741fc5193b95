"""Rules of alerts, on each kind of database."""

import asyncio
from dataclasses import replace

import pytest
from tests.contract.store.samples import NOON
from tests.unit.core.test_alert import a_rule

from remuda.core.alert import AlertMetric, AlertOperator, event_of
from remuda.store import Store
from remuda.store.alert_events import events_page, open_event
from remuda.store.alert_rules import MAX_RULES, TooManyRules, add_rule, list_rules, remove_rule, update_rule

RULE = a_rule(
    name="Slow",
    operator=AlertOperator.LT,
    created_at=NOON,
    window_s=60.0,
    model="m",
    key_id="k",
    replica="r",
    channels=("ops", "mail"),
    muted_until=NOON + 1,
    is_active=False,
)


async def opened(store: Store, rule):
    event = event_of(rule, 1.0, "", NOON)
    return await open_event(store, event, holder="g", held_s=30.0, cooldown_s=1.0)


async def test_the_rules_that_everybody_begins_with(store: Store):
    _, rules = await list_rules(store)
    said = [(rule.id, rule.name, rule.metric.value, rule.threshold, rule.operator.value) for rule in rules]
    assert said == [
        (1, "High Latency", "latency", 5000.0, "gt"),
        (2, "Low Tokens/Sec", "tokens_per_second", 10.0, "lt"),
        (3, "High Error Rate", "error_rate", 10.0, "gt"),
    ]
    assert all(rule.is_active and rule.created_at > NOON and rule.cooldown_s == 300.0 for rule in rules)


async def test_kept_changed_and_removed(store: Store):
    before, _ = await list_rules(store)
    rule = await add_rule(store, RULE)
    assert rule == replace(RULE, id=4)
    revision, rules = await list_rules(store)
    assert revision > before
    assert rules[-1] == rule
    changed = replace(rule, name="Slower", metric=AlertMetric.TTFT, channels=None, window_s=None)
    assert await update_rule(store, changed, NOON)
    assert (await list_rules(store))[1][-1] == changed
    assert await remove_rule(store, 4, NOON)
    assert not await remove_rule(store, 4, NOON)
    assert not await update_rule(store, rule, NOON)
    assert (await add_rule(store, RULE)).id == 5


async def test_what_is_open_ends_with_its_condition(store: Store):
    rule = await add_rule(store, a_rule())
    await opened(store, rule)
    await update_rule(store, replace(rule, name="other", muted_until=NOON), NOON + 5)
    assert [event.resolved_at for event in await events_page(store, 10)] == [None]
    await update_rule(store, replace(rule, threshold=1.0), NOON + 6)
    assert [event.resolved_at for event in await events_page(store, 10)] == [NOON + 6]
    other = await add_rule(store, a_rule())
    await opened(store, other)
    await remove_rule(store, other.id, NOON + 7)
    assert [event.resolved_at for event in await events_page(store, 10)] == [NOON + 7, NOON + 6]


async def test_no_more_than_are_kept(store: Store):
    for _ in range(MAX_RULES - 5):
        await add_rule(store, RULE)
    results = await asyncio.gather(*(add_rule(store, RULE) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(result, TooManyRules) for result in results) == 2
    assert len((await list_rules(store))[1]) == MAX_RULES
    with pytest.raises(TooManyRules):
        await add_rule(store, RULE)
