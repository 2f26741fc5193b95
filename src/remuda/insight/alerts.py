"""Rules of alerts, changed and listed; what came of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from remuda.core.alert import OF_SUBJECTS, SHARES, AlertEvent, AlertMetric, AlertRule
from remuda.core.clock import Clock
from remuda.core.delivery import AlertDelivery, AlertDeliveryEntry
from remuda.core.faults import InvalidRequest
from remuda.insight.alert_telling import AlertTelling
from remuda.insight.alert_watch import AlertWatch
from remuda.store.alert_events import events_page
from remuda.store.alert_rules import add_rule, list_rules, remove_rule, update_rule
from remuda.store.database import Store

MAX_NAME_CHARS: Final = 200
MAX_CHANNELS: Final = 20
MIN_WINDOW_S: Final = 10.0
MAX_WINDOW_S: Final = 86_400.0
MIN_COOLDOWN_S: Final = 1.0
MAX_COOLDOWN_S: Final = 30 * 86_400.0
MAX_THRESHOLD: Final = 1e15


class Alerts:
    """What people do with alerts."""

    def __init__(self, store: Store, watch: AlertWatch, telling: AlertTelling, clock: Clock) -> None:
        self._store = store
        self._watch = watch
        self._clock = clock
        self._telling = telling

    async def renew(self) -> int:
        """Have the rules judged that the store holds; returns the revision it was read at. Raises StoreError."""
        revision, rules = await list_rules(self._store)
        self._watch.use(rules)
        return revision

    async def rules(self, key_id: str | None = None) -> list[AlertRule]:
        """All rules, by id; of those that are about one key only the named key's, where one is named."""
        _, rules = await list_rules(self._store)
        return [rule for rule in rules if key_id is None or rule.key_id in ("", key_id)]

    async def rule(self, rule_id: int, key_id: str | None = None) -> AlertRule | None:
        """The rule; None where there is none that may be seen."""
        return next((rule for rule in await self.rules(key_id) if rule.id == rule_id), None)

    async def add(self, rule: AlertRule) -> AlertRule:
        """Keep a rule; it comes back with its id. Raises InvalidRequest, TooManyRules, StoreError."""
        self._check(rule)
        added = await add_rule(self._store, replace(rule, created_at=self._clock.wall()))
        await self.renew()
        return added

    async def change(self, rule: AlertRule) -> bool:
        """Keep `rule` in place of the one with its id; False where there is none. Raises as `add`."""
        self._check(rule)
        return await self._changed(await update_rule(self._store, rule, self._clock.wall()))

    async def remove(self, rule_id: int) -> bool:
        """Forget a rule; False where there is none."""
        return await self._changed(await remove_rule(self._store, rule_id, self._clock.wall()))

    async def mute(self, rule: AlertRule, for_s: float | None) -> AlertRule | None:
        """The rule, of which nobody is told for so long; None as time: somebody is again. None where it is gone."""
        muted = replace(rule, muted_until=None if for_s is None else self._clock.wall() + for_s)
        return muted if await self.change(muted) else None

    async def test(self, rule: AlertRule) -> Sequence[AlertDelivery]:
        """Tell everybody whom the rule tells that this is a test; whom."""
        return await self._telling.test(rule)

    async def deliveries(
        self, limit: int, *, before: int | None = None, event_id: int | None = None
    ) -> Sequence[AlertDeliveryEntry]:
        """The newest of who was told: see `store.alert_deliveries.alert_deliveries_page`."""
        return await self._telling.log(limit, before=before, event_id=event_id)

    async def events(
        self,
        limit: int,
        *,
        before: int | None = None,
        rule_id: int | None = None,
        only_open: bool = False,
        key_id: str | None = None,
    ) -> Sequence[AlertEvent]:
        """The newest events: see `store.alert_events.events_page`."""
        return await events_page(self._store, limit, before=before, rule_id=rule_id, only_open=only_open, key_id=key_id)

    async def _changed(self, is_changed: bool) -> bool:
        if is_changed:
            await self.renew()
        return is_changed

    def _check(self, rule: AlertRule) -> None:
        """Raise InvalidRequest for what is no rule."""
        for parameter, text in (("model", rule.model), ("key_id", rule.key_id), ("replica", rule.replica)):
            if text:
                _check_name(parameter, text)
        _check_name("name", rule.name)
        _check_number("threshold", rule.threshold, -MAX_THRESHOLD, MAX_THRESHOLD)
        _check_number("cooldown_s", rule.cooldown_s, MIN_COOLDOWN_S, MAX_COOLDOWN_S)
        if rule.window_s is not None:
            _check_number("window_s", rule.window_s, MIN_WINDOW_S, MAX_WINDOW_S)
        if rule.metric in OF_SUBJECTS:
            _check_scope(rule)
        elif rule.metric in SHARES and not 0 <= rule.threshold <= 100:
            raise InvalidRequest(f"threshold is per cent for {rule.metric}: from 0 to 100", parameter="threshold")
        for name in rule.channels or ():
            if name not in self._telling.channels:
                known = ", ".join(sorted(self._telling.channels)) or "none"
                raise InvalidRequest(
                    f"there is no channel {name[:100]!r}; the settings have {known}", parameter="channels"
                )
        if rule.channels and len(rule.channels) > MAX_CHANNELS:
            raise InvalidRequest(f"a rule has at most {MAX_CHANNELS} channels", parameter="channels")


def _check_name(parameter: str, text: str) -> None:
    if not text or len(text) > MAX_NAME_CHARS or not text.isprintable() or text != text.strip():
        raise InvalidRequest(
            f"{parameter} is 1 to {MAX_NAME_CHARS} printable characters without spaces around them", parameter=parameter
        )


def _check_number(parameter: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise InvalidRequest(f"{parameter} is a number from {least:g} to {most:g}", parameter=parameter)


def _check_scope(rule: AlertRule) -> None:
    taken = {"model": rule.model, "key_id": rule.key_id, "window_s": rule.window_s}
    if rule.metric is AlertMetric.BUDGET:
        taken["replica"] = rule.replica
    for parameter, value in taken.items():
        if value:
            raise InvalidRequest(f"{rule.metric} has no {parameter}: leave it out", parameter=parameter)
