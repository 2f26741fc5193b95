"""Alerts: their rules, and what came of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec
from fastapi import Request, Response

from remuda.core.alert import AlertRule
from remuda.core.clock import Clock, SystemClock
from remuda.core.faults import InvalidRequest, Taken, Unavailable, UnknownEntry
from remuda.dialects.kit.access import MANAGING, Rule
from remuda.dialects.kit.bodies import decoded
from remuda.dialects.observe.alert_schemas import (
    AlertDeliveryShown,
    AlertEventShown,
    AlertMessage,
    AlertMute,
    AlertRuleCreated,
    AlertRuleShown,
    AlertRuleWrite,
    AlertTested,
    changed_rule,
    delivery_shown,
    event_shown,
    new_rule,
    rule_shown,
)
from remuda.dialects.observe.parts import Add, answered, id_in, number_in, sees_all
from remuda.insight.alerts import Alerts
from remuda.store.alert_rules import TooManyRules

PATH: Final = "/api/alerts"
RULES: Final = (Rule(f"{PATH}/deliveries", MANAGING),)
"""URLs may tell who is told, and how."""
SCHEMAS: Final = (
    AlertDeliveryShown,
    AlertEventShown,
    AlertMessage,
    AlertMute,
    AlertRuleCreated,
    AlertRuleShown,
    AlertRuleWrite,
    AlertTested,
)
SHOWN: Final = 50
"""Events and deliveries, where nobody says how many."""
MAX_SHOWN: Final = 1000
MAX_MUTED_S: Final = 366 * 86_400.0
ALL: Final = f"{PATH}/rules"
ONE: Final = f"{ALL}/{{rule_id}}"

_RULE: Final = msgspec.json.Decoder(AlertRuleWrite)
_MUTE: Final = msgspec.json.Decoder(AlertMute)


class AlertRoutes:
    """What answers them."""

    def __init__(self, alerts: Alerts | None = None, clock: Clock | None = None, *, cooldown_s: float = 300.0) -> None:
        """Without alerts, to be listed and described only. `cooldown_s`: of rules that do not say it."""
        self._given = alerts
        self._clock = clock or SystemClock()
        self._cooldown_s = cooldown_s

    def add_to(self, add: Add) -> None:
        """All of them."""
        add("GET", ALL, self._rules, "The rules of alerts", list[AlertRuleShown])
        add("POST", ALL, self._create, "Add a rule", AlertRuleCreated, body=AlertRuleWrite)
        add("GET", ONE, self._rule, "A rule", AlertRuleShown)
        add("PUT", ONE, self._replace, "Put a rule in place of one", AlertRuleShown, body=AlertRuleWrite)
        add("PATCH", ONE, self._change, "Change some of a rule", AlertRuleShown, body=AlertRuleWrite)
        add("DELETE", ONE, self._remove, "Remove a rule; what is open of it is resolved", AlertMessage)
        add("POST", f"{ONE}/mute", self._mute, "Tell nobody of it for a while", AlertRuleShown, body=AlertMute)
        add("POST", f"{ONE}/test", self._test, "Tell whom the rule tells that this is a test", AlertTested, status=202)
        add("GET", f"{PATH}/deliveries", self._deliveries, "Who was told, newest first", list[AlertDeliveryShown])
        add("GET", f"{PATH}/events", self._events, "What came of the rules, newest first", list[AlertEventShown])

    @property
    def _alerts(self) -> Alerts:
        if self._given is None:
            raise Unavailable
        return self._given

    async def _rules(self, request: Request) -> Response:
        return answered([self._shown(rule) for rule in await self._alerts.rules(_key_of(request))])

    async def _rule(self, request: Request) -> Response:
        return answered(self._shown(await self._found(request)))

    async def _create(self, request: Request) -> Response:
        sent = decoded(_RULE.decode, await request.body())
        try:
            rule = await self._alerts.add(new_rule(sent, self._cooldown_s))
        except TooManyRules as error:
            raise Taken(str(error)) from error
        return answered(AlertRuleCreated(rule.id))

    async def _replace(self, request: Request) -> Response:
        def whole(rule: AlertRule, sent: AlertRuleWrite) -> AlertRule:
            fresh = new_rule(sent, self._cooldown_s)
            return replace(fresh, id=rule.id, created_at=rule.created_at, muted_until=rule.muted_until)

        return await self._changed(request, whole)

    async def _change(self, request: Request) -> Response:
        return await self._changed(request, changed_rule)

    async def _changed(self, request: Request, change: Callable[[AlertRule, AlertRuleWrite], AlertRule]) -> Response:
        sent = decoded(_RULE.decode, await request.body())
        rule = change(await self._found(request), sent)
        if not await self._alerts.change(rule):
            raise _unknown()
        return answered(self._shown(rule))

    async def _remove(self, request: Request) -> Response:
        id_ = id_in(request, "rule_id")
        if id_ is None or not await self._alerts.remove(id_):
            raise _unknown()
        return answered(AlertMessage("Alert rule deleted"))

    async def _mute(self, request: Request) -> Response:
        for_s = self._muted_s(decoded(_MUTE.decode, await request.body()))
        muted = await self._alerts.mute(await self._found(request), for_s or None)
        if muted is None:
            raise _unknown()
        return answered(self._shown(muted))

    async def _test(self, request: Request) -> Response:
        told = await self._alerts.test(await self._found(request))
        message = "Test alert queued" if told else "This rule tells nobody: the settings name no channel for it"
        return answered(AlertTested(message, [each.message_id for each in told]), 202)

    async def _deliveries(self, request: Request) -> Response:
        found = await self._alerts.deliveries(
            _limit_in(request),
            before=number_in(request, "before", 0) or None,
            event_id=number_in(request, "event_id", 0) or None,
        )
        return answered([delivery_shown(entry) for entry in found])

    async def _events(self, request: Request) -> Response:
        found = await self._alerts.events(
            _limit_in(request),
            before=number_in(request, "before", 0) or None,
            rule_id=number_in(request, "rule_id", 0) or None,
            only_open=_flag_in(request, "open"),
            key_id=_key_of(request),
        )
        return answered([event_shown(event) for event in found])

    async def _found(self, request: Request) -> AlertRule:
        id_ = id_in(request, "rule_id")
        rule = None if id_ is None else await self._alerts.rule(id_, _key_of(request))
        if rule is None:
            raise _unknown()
        return rule

    def _shown(self, rule: AlertRule) -> AlertRuleShown:
        return rule_shown(rule, self._clock.wall(), self._cooldown_s)

    def _muted_s(self, sent: AlertMute) -> float:
        if sent.minutes is not None and sent.until is None:
            for_s, parameter = sent.minutes * 60, "minutes"
        elif sent.until is not None and sent.minutes is None:
            for_s, parameter = _moment(sent.until) - self._clock.wall(), "until"
        else:
            raise InvalidRequest("say either minutes or until", parameter="minutes")
        if not 0 <= for_s <= MAX_MUTED_S:
            raise InvalidRequest(f"{parameter} is neither past nor more than a year ahead", parameter=parameter)
        return for_s


def _key_of(request: Request) -> str | None:
    """Whose alone the caller may see; None: everybody's."""
    caller = request.state.caller
    return None if sees_all(caller) else caller.key_id


def _limit_in(request: Request) -> int:
    return number_in(request, "limit", SHOWN, least=1, most=MAX_SHOWN)


def _flag_in(request: Request, name: str) -> bool:
    said = request.query_params.get(name, "false")
    if said not in ("true", "false", "1", "0"):
        raise InvalidRequest(f"{name} is true or false", parameter=name)
    return said in ("true", "1")


def _moment(said: str) -> float:
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidRequest("until is a moment such as 2026-01-31T12:00:00Z", parameter="until")
    return moment.timestamp()


def _unknown() -> UnknownEntry:
    return UnknownEntry("Alert rule not found")
