"""Events of alerts, on each kind of database."""

import asyncio

import pytest
from tests.contract.store.samples import NOON
from tests.unit.core.test_alert import a_rule

from remuda.core.alert import AlertEvent, event_of
from remuda.core.delivery import AlertDelivery
from remuda.store import Store
from remuda.store.alert_deliveries import alert_deliveries_page
from remuda.store.alert_events import events_page, hold_events, open_event, open_events, prune_events, resolve_event


def new(rule_id: int = 1, subject: str = "", at: float = NOON, **fields) -> AlertEvent:
    return event_of(a_rule(id=rule_id, **fields), 6500.0, subject, at)


async def opened(store: Store, event: AlertEvent, holder: str = "g", held_s: float = 30.0, **more) -> AlertEvent | None:
    return await open_event(store, event, holder=holder, held_s=held_s, cooldown_s=60.0, **more)


async def test_one_that_is_open_for_each_rule_and_subject(store: Store):
    first = await opened(store, new())
    assert first == new()._replace(id=first.id)
    assert await opened(store, new(at=NOON + 1000), "h") is None
    assert await opened(store, new(subject="s")) is not None
    assert await opened(store, new(2)) is not None
    assert [(event.rule_id, event.subject) for event in await open_events(store)] == [(1, ""), (1, "s"), (2, "")]


async def test_whoever_is_first(store: Store):
    found = await asyncio.gather(*(opened(store, new(), f"g{number}") for number in range(8)))
    assert sum(event is not None for event in found) == 1
    assert len(await events_page(store, 100)) == 1


async def test_resolved_once_and_again_only_after_the_cooldown(store: Store):
    event = await opened(store, new())
    resolved = await resolve_event(store, event.id, holder="g", now=NOON + 5)
    assert resolved == event._replace(resolved_at=NOON + 5)
    assert await resolve_event(store, event.id, holder="g", now=NOON + 6) is None
    assert await open_events(store) == []
    assert await opened(store, new(at=NOON + 59)) is None
    assert await opened(store, new(at=NOON + 60)) is not None


async def test_a_clock_that_was_put_back_hinders_nobody(store: Store):
    event = await opened(store, new())
    await resolve_event(store, event.id, holder="g", now=NOON)
    assert await opened(store, new(at=NOON - 3600)) is not None


async def test_one_that_somebody_else_holds(store: Store):
    held = await opened(store, new(), held_s=1e9)
    assert await resolve_event(store, held.id, holder="h", now=NOON) is None
    await hold_events(store, [held.id], holder="h", now=NOON, held_s=30.0)
    assert await resolve_event(store, held.id, holder="h", now=NOON) is None
    await hold_events(store, [held.id], holder="g", now=NOON, held_s=0.0)
    assert await resolve_event(store, held.id, holder="h", now=NOON) is not None


async def test_one_that_nobody_holds_any_more(store: Store):
    left = await opened(store, new(), held_s=-1e9)
    await hold_events(store, [left.id], holder="h", now=NOON, held_s=1e9)
    assert await resolve_event(store, left.id, holder="g", now=NOON) is None
    assert await resolve_event(store, left.id, holder="h", now=NOON) is not None


async def test_who_is_told_is_kept_with_it_or_neither(store: Store):
    def tells(event):
        return [AlertDelivery(f"msg_{event.id}_{event.resolved_at}", "ops", "t", "http://h/", "{}")]

    def fails(event):
        raise RuntimeError(event.id)

    with pytest.raises(RuntimeError):
        await opened(store, new(), tells=fails)
    assert await events_page(store, 10) == []
    event = await opened(store, new(), tells=tells)
    with pytest.raises(RuntimeError):
        await resolve_event(store, event.id, holder="g", now=NOON, tells=fails)
    assert await open_events(store) == [event]
    await resolve_event(store, event.id, holder="g", now=NOON, tells=tells)
    assert [(each.event_id, each.rule_id) for each in await alert_deliveries_page(store, 9)] == [(event.id, 1)] * 2


async def test_pages(store: Store):
    for number in range(1, 6):
        await opened(store, new(number, key_id="k" if number == 3 else ""))
    third = (await events_page(store, 10))[2]
    await resolve_event(store, third.id, holder="g", now=NOON)
    assert [event.rule_id for event in await events_page(store, 2)] == [5, 4]
    assert [event.rule_id for event in await events_page(store, 2, before=third.id)] == [2, 1]
    assert [event.rule_id for event in await events_page(store, 9, rule_id=3)] == [3]
    assert [event.rule_id for event in await events_page(store, 9, only_open=True)] == [5, 4, 2, 1]
    assert [event.rule_id for event in await events_page(store, 9, key_id="l")] == [5, 4, 2, 1]
    assert [event.rule_id for event in await events_page(store, 9, key_id="k")] == [5, 4, 3, 2, 1]


async def test_old_ones_are_forgotten_and_open_ones_are_not(store: Store):
    old, recent = await opened(store, new()), await opened(store, new(2))
    await opened(store, new(3))
    await resolve_event(store, old.id, holder="g", now=NOON)
    await resolve_event(store, recent.id, holder="g", now=NOON + 10)
    assert await prune_events(store, NOON + 5) == 1
    assert [event.rule_id for event in await events_page(store, 9)] == [3, 2]
