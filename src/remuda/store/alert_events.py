"""Events of alerts at rest: at most one that is open for each rule and subject, whoever evaluates them.

An open event is *held* by the gateway whose requests it tells of, which says so again and again; another gateway, whose
own requests are well, does not resolve it. Where nobody holds it any more (that gateway has ended), any may.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, or_, select, update

from remuda.core.alert import AlertEvent, AlertMetric, AlertOperator
from remuda.core.delivery import AlertDelivery
from remuda.store.alert_deliveries import add_alert_deliveries
from remuda.store.database import Store
from remuda.store.errors import StoreRefused
from remuda.store.leases import store_now
from remuda.store.schema_alerts import alert_events

MAX_PRUNED: Final = 1000
"""Events forgotten in one transaction."""

Tells = Callable[[AlertEvent], Sequence[AlertDelivery]]
"""Takes an event as it is kept; who is to be told of it, which is kept in the same transaction."""

_EVENT: Final = tuple(alert_events.c[name] for name in AlertEvent._fields)


async def open_event(
    store: Store,
    event: AlertEvent,
    *,
    holder: str,
    held_s: float,
    cooldown_s: float,
    tells: Tells = lambda event: (),
) -> AlertEvent | None:
    """Keep `event` under an id of its own, which it comes back with, held by `holder` for `held_s`. None where one of
    its rule and subject is open, or was triggered within `cooldown_s`."""
    e = alert_events.c

    def work(connection: Connection) -> AlertEvent | None:
        latest = select(func.max(e.triggered_at)).where(e.rule_id == event.rule_id, e.subject == event.subject)
        open_ = select(e.id).where(_is_open(event.rule_id), e.subject == event.subject)
        last = connection.execute(latest).scalar()
        # A moment that lies ahead was written by a clock that has been put back since.
        if last is not None and 0 <= event.triggered_at - last < cooldown_s:
            return None
        if connection.execute(open_).first() is not None:
            return None
        held_until = store_now(connection, event.triggered_at) + held_s
        values = event._asdict() | {"holder": holder, "held_until": held_until}
        del values["id"]
        kept = event._replace(id=connection.execute(insert(alert_events).values(values).returning(e.id)).scalar_one())
        add_alert_deliveries(connection, tells(kept), kept.rule_id, kept.id, event.triggered_at)
        return kept

    try:
        return await store.write(work)
    except StoreRefused:  # another gateway opened one in this very moment
        return None


async def resolve_event(
    store: Store,
    event_id: int,
    *,
    holder: str,
    now: float,
    tells: Tells = lambda event: (),
) -> AlertEvent | None:
    """The event, resolved at `now`; None where it is not open any more, or another holds it."""
    e = alert_events.c

    def work(connection: Connection) -> AlertEvent | None:
        is_free = or_(e.holder == holder, e.held_until <= store_now(connection, now))
        resolving = (
            update(alert_events)
            .where(e.id == event_id, e.resolved_at.is_(None), is_free)
            .values(resolved_at=now)
            .returning(*_EVENT)
        )
        row = connection.execute(resolving).one_or_none()
        if row is None:
            return None
        resolved = _event_from(row)
        add_alert_deliveries(connection, tells(resolved), resolved.rule_id, resolved.id, now)
        return resolved

    return await store.write(work)


async def hold_events(store: Store, event_ids: Sequence[int], *, holder: str, now: float, held_s: float) -> None:
    """Hold these for `held_s` more, where they are open and nobody else holds them; 0 or less: no longer."""
    e = alert_events.c

    def work(connection: Connection) -> None:
        moment = store_now(connection, now)
        is_free = or_(e.holder == holder, e.held_until <= moment)
        holding = update(alert_events).where(e.id.in_(event_ids), e.resolved_at.is_(None), is_free)
        connection.execute(holding.values(holder=holder, held_until=moment + held_s))

    await store.write(work)


async def open_events(store: Store) -> list[AlertEvent]:
    """All that are open, oldest first."""
    query = select(*_EVENT).where(alert_events.c.resolved_at.is_(None)).order_by(alert_events.c.id)
    return await store.read(lambda connection: [_event_from(row) for row in connection.execute(query)])


async def events_page(
    store: Store,
    limit: int,
    *,
    before: int | None = None,
    rule_id: int | None = None,
    only_open: bool = False,
    key_id: str | None = None,
) -> list[AlertEvent]:
    """The newest `limit`, those older than the event `before` where one is named. `key_id`: only what is about all
    keys, or about this one."""
    e = alert_events.c
    wanted: list[ColumnElement[bool]] = []
    if before is not None:
        wanted.append(e.id < before)
    if rule_id is not None:
        wanted.append(e.rule_id == rule_id)
    if only_open:
        wanted.append(e.resolved_at.is_(None))
    if key_id is not None:
        wanted.append(e.key_id.in_(("", key_id)))
    query = select(*_EVENT).where(*wanted).order_by(e.id.desc()).limit(limit)
    return await store.read(lambda connection: [_event_from(row) for row in connection.execute(query)])


async def prune_events(store: Store, before: float) -> int:
    """Forget some of those that were resolved before that moment; how many."""
    e = alert_events.c
    old = select(e.id).where(e.resolved_at < before).order_by(e.id).limit(MAX_PRUNED)
    pruning = delete(alert_events).where(e.id.in_(old.scalar_subquery()))
    return await store.write(lambda connection: connection.execute(pruning).rowcount)


def resolve_all(connection: Connection, rule_id: int, now: float) -> None:
    """Within the transaction that changes a rule: its open events are over."""
    connection.execute(update(alert_events).where(_is_open(rule_id)).values(resolved_at=now))


def _is_open(rule_id: int) -> ColumnElement[bool]:
    return and_(alert_events.c.rule_id == rule_id, alert_events.c.resolved_at.is_(None))


def _event_from(row: Row[Any]) -> AlertEvent:
    event = AlertEvent._make(row)
    return event._replace(metric=AlertMetric(event.metric), operator=AlertOperator(event.operator))
