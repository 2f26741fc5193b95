"""Watches requests, budgets and replicas, and keeps an event where a rule's condition holds.

Requests only put their records into a bounded buffer. Once a second they are judged, and only where something changed
is the store written to: an alert storm is one event. Of several gateways on one store each judges what came to it.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from remuda.core.alert import AlertEvent, AlertMetric, AlertRule, event_of
from remuda.core.clock import Clock
from remuda.core.record import RequestRecord, columns_of, without_text
from remuda.core.tasks import Tasks
from remuda.insight.alert_judges import Judge, Verdict, judge_of
from remuda.insight.alert_values import is_meant, values_of
from remuda.store.alert_events import Tells, hold_events, open_event, open_events, prune_events, resolve_event
from remuda.store.database import Store
from remuda.store.errors import StoreError

log = logging.getLogger(__name__)

BUFFERED: Final = 16_384
"""Records that wait to be judged; more are not judged, and counted."""
AT_ONCE: Final = 256
"""Records judged before others get their turn of the event loop."""
JUDGE_S: Final = 1.0
HOLD_S: Final = 10.0
"""How often it is said that open events are held, and looked which there are."""
HELD_S: Final = 3 * HOLD_S
PRUNE_S: Final = 3600.0
GONE_S: Final = 60.0
"""From so long after its start on, a budget or replica that nobody has heard of is gone, and its event over."""

Key = tuple[int, str]
"""A rule's id, and the subject of an event."""


def _tells_nobody(rule: AlertRule, now: float) -> Tells:
    return lambda event: ()


class AlertWatch:
    """Judges for as long as it runs."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        holder: str,
        *,
        down_s: Callable[[], Mapping[str, float]] = dict,
        budgets: Callable[[], Mapping[str, float]] = dict,
        tell: Callable[[AlertRule, float], Tells] = _tells_nobody,
        on_event: Callable[[AlertEvent], None] = lambda event: None,
        retention_s: float = 0.0,
    ) -> None:
        """`holder` is never used again by another. `down_s`: for how long each replica has been down (0: it is up).
        `budgets`: per cent that is used of each. `tell`: who is to be told of an event at some moment. `on_event` takes
        events when they are kept. `retention_s`: how long they are after their end; 0: for ever."""
        self._store = store
        self._clock = clock
        self._holder = holder
        self._down_s = down_s
        self._budgets = budgets
        self._tell = tell
        self._on_event = on_event
        self._retention_s = retention_s
        self._tasks = Tasks("alerts")
        self._since = clock.monotonic()
        self._looked_at = float("-inf")
        self._buffer: list[RequestRecord] = []
        self._rules: dict[int, AlertRule] = {}
        self._judges: dict[int, Judge | None] = {}
        self._open: dict[Key, AlertEvent] = {}
        self._others: set[int] = set()
        """Open events that another gateway holds, until it is looked again."""
        self._hits: dict[Key, float] = {}
        """What is to be kept yet, where the store did not answer."""
        self._fired_at: dict[Key, float] = {}
        self.dropped = 0
        """Records that were not judged because the buffer was full."""
        self.events = 0
        """Events that this gateway opened."""

    @property
    def open(self) -> int:
        """Events that are open, those of other gateways included."""
        return len(self._open)

    def take(self, records: Sequence[RequestRecord]) -> None:
        """A sink of finished records, of which only the last may carry text."""
        room = BUFFERED - len(self._buffer)
        if len(records) > room:
            self.dropped += len(records) - room
            records = records[:room]
        self._buffer += records
        if records:
            self._buffer[-1] = without_text(records[-1])  # it may be megabytes, and must not live on here

    def use(self, rules: Iterable[AlertRule]) -> None:
        """Judge by these rules from now on. What was gathered for one whose condition is as it was goes on."""
        now = self._clock.monotonic()
        before, judges = self._rules, self._judges
        self._rules = {rule.id: rule for rule in rules if rule.is_active}
        kept = {id_ for id_, rule in self._rules.items() if id_ in before and before[id_].condition == rule.condition}
        self._judges = {id_: judges[id_] if id_ in kept else judge_of(rule, now) for id_, rule in self._rules.items()}
        self._hits = {key: value for key, value in self._hits.items() if key[0] in kept}
        self._fired_at = {key: at for key, at in self._fired_at.items() if key[0] in kept}
        self._looked_at = float("-inf")  # what was open may have ended with its rule

    def start(self) -> None:
        """Begin to judge."""
        self._tasks.start(self._run(), "judge")
        if self._retention_s:
            self._tasks.start(self._prune(), "prune")

    async def close(self) -> None:
        """Stop. Events stay open; another gateway, or this one when it is started again, goes on with them."""
        await self._tasks.close()
        if self._open:
            try:
                await self._hold(0.0)
            except StoreError as error:
                log.warning("alerts: %s; its events are held for %g s more", error, HELD_S)

    async def judge(self) -> None:
        """Judge what has come, and keep what changed. Raises StoreError: what could not be kept is kept next time."""
        await self._judge_records()
        now = self._clock.monotonic()
        if now - self._looked_at >= HOLD_S:
            self._looked_at = now
            await self._look()
        verdicts = self._verdicts(now)
        for key, verdict in verdicts.items():  # all of them before anything can fail: a hit is told once
            if verdict.hit is not None:
                self._hits.setdefault(key, verdict.hit)
        for key, verdict in verdicts.items():
            if key[0] in self._rules:  # what follows waits for the store, and rules change meanwhile
                await self._settle(key, verdict)

    async def _look(self) -> None:
        """See which events are open, and say that we hold those that nobody else does."""
        self._down_s()  # a replica is down from when somebody first looked: also before there is a rule about it
        self._open = {(event.rule_id, event.subject): event for event in await open_events(self._store)}
        self._others.clear()
        if self._open:
            await self._hold(HELD_S)
        for key, event in list(self._open.items()):
            if event.rule_id not in self._rules:  # opened in the moment in which its rule was removed
                await resolve_event(self._store, event.id, holder=self._holder, now=self._clock.wall())
                del self._open[key]

    async def _judge_records(self) -> None:
        records, self._buffer = self._buffer, []
        for start in range(0, len(records), AT_ONCE):
            part = records[start : start + AT_ONCE]
            now = self._clock.monotonic()
            columns = columns_of(part)
            of_all: dict[AlertMetric, Sequence[float]] = {}
            for id_, judge in self._judges.items():
                if judge is None:
                    continue
                rule = self._rules[id_]
                if rule.model or rule.key_id or rule.replica:
                    meant = [record for record in part if is_meant(rule, record)]
                    values = values_of(rule.metric, columns_of(meant)) if meant else ()
                else:
                    values = of_all.get(rule.metric) or values_of(rule.metric, columns)
                    of_all[rule.metric] = values
                judge.take(values, now)
            await self._clock.sleep(0)

    def _verdicts(self, now: float) -> dict[Key, Verdict]:
        found: dict[Key, Verdict] = {}
        needed = {self._rules[id_].metric for id_, judge in self._judges.items() if judge is None}
        down_s = self._down_s() if AlertMetric.REPLICA_DOWN in needed else {}  # goes through every replica of the fleet
        budgets = self._budgets() if AlertMetric.BUDGET in needed else {}
        for id_, judge in self._judges.items():
            if judge is not None:
                found[id_, ""] = judge.verdict(now)
                continue
            rule = self._rules[id_]
            values = self._of_subjects(rule, budgets if rule.metric is AlertMetric.BUDGET else down_s, now)
            for subject, value in values.items():
                found[id_, subject] = verdict = Verdict()
                verdict.add(rule, [value])
        return found

    def _of_subjects(self, rule: AlertRule, values: Mapping[str, float], now: float) -> Mapping[str, float]:
        """The value of each subject that the rule is about; of one that is gone, 0."""
        known = {subject: value for subject, value in values.items() if rule.replica in ("", subject)}
        if now - self._since >= GONE_S:
            known |= {subject: 0.0 for id_, subject in self._open if id_ == rule.id and subject not in known}
        return known

    async def _settle(self, key: Key, verdict: Verdict) -> None:
        rule = self._rules[key[0]]
        if key in self._hits:
            await self._fire(rule, key, self._hits[key])
            self._hits.pop(key, None)
        event = self._open.get(key)
        if verdict.is_met is False and event is not None and event.id not in self._others:
            await self._resolve(rule, event)

    async def _fire(self, rule: AlertRule, key: Key, value: float) -> None:
        now, wall = self._clock.monotonic(), self._clock.wall()
        if key in self._open or now - self._fired_at.get(key, float("-inf")) < rule.cooldown_s:
            return
        event = await open_event(
            self._store,
            event_of(rule, value, key[1], wall),
            holder=self._holder,
            held_s=HELD_S,
            cooldown_s=rule.cooldown_s,
            tells=self._tell(rule, wall),
        )
        if event is None:
            return
        self._fired_at[key] = now
        self._open[key] = event
        self.events += 1
        log.warning("alert: %s", event.message)
        self._on_event(event)

    async def _resolve(self, rule: AlertRule, event: AlertEvent) -> None:
        wall = self._clock.wall()
        resolved = await resolve_event(
            self._store, event.id, holder=self._holder, now=wall, tells=self._tell(rule, wall)
        )
        if resolved is None:
            self._others.add(event.id)
            return
        self._open.pop((event.rule_id, event.subject), None)
        log.info("alert is over: %s", resolved.message)
        self._on_event(resolved)

    async def _hold(self, held_s: float) -> None:
        ids = [event.id for event in self._open.values()]
        await hold_events(self._store, ids, holder=self._holder, now=self._clock.wall(), held_s=held_s)

    async def _run(self) -> None:
        is_failing = False
        while True:
            await self._clock.sleep(JUDGE_S)
            try:
                await self.judge()
                is_failing = False
            except StoreError as error:
                if not is_failing:
                    log.warning("alerts: %s; what is to be told waits", error)
                is_failing = True

    async def _prune(self) -> None:
        while True:
            await self._clock.sleep(PRUNE_S)
            try:
                await prune_events(self._store, self._clock.wall() - self._retention_s)
            except StoreError as error:
                log.warning("alerts: %s; old events are forgotten later", error)
