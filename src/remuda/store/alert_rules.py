"""Rules of alerts at rest."""

import json
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from remuda.core.alert import AlertMetric, AlertOperator, AlertRule
from remuda.store.alert_events import resolve_all
from remuda.store.database import Store, raise_revision, read_revision
from remuda.store.errors import StoreError
from remuda.store.schema_alerts import alert_rules

MAX_RULES: Final = 200


class TooManyRules(StoreError):
    """There are as many rules as are kept."""


async def add_rule(store: Store, rule: AlertRule) -> AlertRule:
    """Keep `rule` under an id of its own, which it comes back with. Raises TooManyRules, StoreRefused,
    StoreUnavailable."""

    def work(connection: Connection) -> AlertRule:
        raise_revision(connection)  # first: whoever adds another at the same time waits for us
        if connection.execute(select(func.count()).select_from(alert_rules)).scalar_one() >= MAX_RULES:
            raise TooManyRules(f"there are {MAX_RULES} alert rules already")
        adding = insert(alert_rules).values(created_at=rule.created_at, **_columns(rule))
        return replace(rule, id=connection.execute(adding.returning(alert_rules.c.id)).scalar_one())

    return await store.write(work)


async def list_rules(store: Store) -> tuple[int, list[AlertRule]]:
    """The revision, and all rules as they were at that revision (or newer), by id."""

    def work(connection: Connection) -> tuple[int, list[AlertRule]]:
        revision = read_revision(connection)  # first, as `store.keys.usable_keys` explains
        rows = connection.execute(select(alert_rules).order_by(alert_rules.c.id))
        return revision, [_rule_from(row) for row in rows]

    return await store.read(work)


async def update_rule(store: Store, rule: AlertRule, now: float) -> bool:
    """Keep `rule` in place of the one with its id; False where there is none. Where that changes what its open events
    stand for, they are over. Raises StoreRefused, StoreUnavailable."""

    def work(connection: Connection) -> bool:
        query = select(alert_rules).where(alert_rules.c.id == rule.id).with_for_update()
        row = connection.execute(query).one_or_none()
        if row is None:
            return False
        connection.execute(update(alert_rules).where(alert_rules.c.id == rule.id).values(**_columns(rule)))
        if _rule_from(row).condition != rule.condition:
            resolve_all(connection, rule.id, now)
        raise_revision(connection)
        return True

    return await store.write(work)


async def remove_rule(store: Store, rule_id: int, now: float) -> bool:
    """Forget the rule; False where there is none. Its open events are over, and stay. Its id is not given out again."""

    def work(connection: Connection) -> bool:
        if connection.execute(delete(alert_rules).where(alert_rules.c.id == rule_id)).rowcount == 0:
            return False
        resolve_all(connection, rule_id, now)
        raise_revision(connection)
        return True

    return await store.write(work)


def _columns(rule: AlertRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "metric": rule.metric.value,
        "threshold": rule.threshold,
        "operator": rule.operator.value,
        "is_active": rule.is_active,
        "window_s": rule.window_s,
        "model": rule.model,
        "key_id": rule.key_id,
        "replica": rule.replica,
        "cooldown_s": rule.cooldown_s,
        "muted_until": rule.muted_until,
        "channels": None if rule.channels is None else json.dumps(rule.channels),
    }


def _rule_from(row: Row[Any]) -> AlertRule:
    values = row._asdict()
    channels = values.pop("channels")
    return AlertRule(
        **values
        | {
            "metric": AlertMetric(row.metric),
            "operator": AlertOperator(row.operator),
            "channels": None if channels is None else tuple(json.loads(channels)),
        }
    )
