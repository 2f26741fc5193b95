"""What could be better: every rule asked, on demand and once a day."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from remuda.core.clock import Clock
from remuda.core.suggestion import Draft, Suggestion, SuggestionState
from remuda.core.traffic import Window
from remuda.insight.document_rules import DOCUMENT_RULES, SLOW_FACTOR
from remuda.insight.facts import Facts, Readings, reread_by_model
from remuda.insight.memory_rules import MEMORY_RULES
from remuda.insight.replica_rules import REPLICA_RULES
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.leases import take_lease
from remuda.store.rollup_reading import values_in
from remuda.store.rollups import MAX_VALUES
from remuda.store.suggestions import end_suggestion, find_suggestion, keep_suggestions, suggestion_page
from remuda.store.traffic import loads, prompt_beginnings, replica_traffic, slower_than

log = logging.getLogger(__name__)

Rule = Callable[[Facts], list[Draft]]

RULES: Final[tuple[Rule, ...]] = (*DOCUMENT_RULES, *REPLICA_RULES, *MEMORY_RULES)
WINDOW_S: Final = 24 * 3600.0
MAX_REQUESTS: Final = 200_000
"""Requests that are looked at, the newest."""
MAX_PROMPTS: Final = 2000
PROMPT_CHARS: Final = 4000
"""Of each stored prompt, that are compared with others."""
PRIORITIES: Final = ("high", "medium", "low")
DISMISSED_S: Final = 30 * 86_400.0
"""How long what was dismissed is not suggested again."""
IMPLEMENTED_S: Final = 7 * 86_400.0
"""How long what was done is not suggested again: the requests of the last day know nothing of it yet."""
DAY_S: Final = 86_400.0
LOOK_S: Final = 600.0
LEASE: Final = "suggestions"


class Generated(NamedTuple):
    """A suggestion that is open, and whether it was not before."""

    suggestion: Suggestion
    is_new: bool


class Suggestions:
    """All suggestions, and who makes them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        holder: str,
        read: Callable[[], Awaitable[Readings]],
        *,
        target_latency_s: float = 2.0,
        target_tokens_per_second: float = 20.0,
        cut_chars: int = 0,
        max_requests: int = MAX_REQUESTS,
        rules: Sequence[Rule] = RULES,
    ) -> None:
        """`holder` tells this process from all others; `read`: what the running gateway knows; `cut_chars`: where the
        journal cuts prompts off; `max_requests`: how many are looked at, the newest."""
        self._store = store
        self._clock = clock
        self._holder = holder
        self._read = read
        self._target_latency_s = target_latency_s
        self._target_tokens_per_second = target_tokens_per_second
        self._cut_chars = cut_chars
        self._max_requests = max_requests
        self._rules = rules
        self._generating = asyncio.Lock()

    async def generate(self) -> list[Generated] | None:
        """Ask every rule about the last day; what is open then of what they say, the most urgent first. None: nobody
        asked anything, so that there is nothing to say. Raises StoreError."""
        async with self._generating:  # it takes seconds where there is much to look at
            facts = await self.facts()
        if not facts.replicas:
            return None
        drafts = [draft for rule in self._rules for draft in rule(facts)]
        drafts.sort(key=lambda draft: PRIORITIES.index(draft.priority))
        kept = await keep_suggestions(
            self._store, drafts, self._clock.wall(), dismissed_s=DISMISSED_S, implemented_s=IMPLEMENTED_S
        )
        return [Generated(*each) for each in kept]

    async def facts(self) -> Facts:
        """What the rules go by. Raises StoreError."""
        now = self._clock.wall()
        window = Window(now - WINDOW_S, now, self._max_requests)
        replicas = await replica_traffic(self._store, window)
        if not replicas:
            return Facts(window, ())
        total = Facts(window, replicas).total
        if total.requests >= window.most:
            window = window._replace(since=min(each.first_at for each in replicas))
        mean_s = total.mean_latency_s
        beginnings = await prompt_beginnings(
            self._store, window, chars=PROMPT_CHARS, most=MAX_PROMPTS, cut_chars=self._cut_chars
        )
        return Facts(
            window,
            replicas,
            slow=(0, 0.0) if mean_s is None else await slower_than(self._store, window, SLOW_FACTOR * mean_s),
            loads=await loads(self._store, window),
            asked=dict(await values_in(self._store, "model", now - WINDOW_S, now, MAX_VALUES + 1)),
            asked_since=now - WINDOW_S,
            reread=await asyncio.to_thread(reread_by_model, beginnings),  # character by character
            readings=await self._read(),
            target_latency_s=self._target_latency_s,
            target_tokens_per_second=self._target_tokens_per_second,
        )

    async def page(self, state: SuggestionState | None, limit: int, before: int | None) -> list[Suggestion]:
        """Suggestions, newest first. Raises StoreError."""
        return await suggestion_page(self._store, state, limit, before)

    async def find(self, id_: int) -> Suggestion | None:
        """The suggestion; None where there is none of that id. Raises StoreError."""
        return await find_suggestion(self._store, id_)

    async def end(self, id_: int, state: SuggestionState) -> bool:
        """Mark it as implemented, or dismissed; False where there is none of that id. Raises StoreError."""
        return await end_suggestion(self._store, id_, state, self._clock.wall())

    async def generate_daily(self) -> None:
        """Generate once a day, in one of all gateways on the store; for ever."""
        due_at = 0.0
        while True:
            await self._clock.sleep(LOOK_S)
            now = self._clock.wall()
            if now < due_at:
                continue
            try:
                # Never given up: while it lasts, nobody does it again.
                if await take_lease(self._store, LEASE, self._holder, now, DAY_S):
                    found = await self.generate() or []
                    due_at = now + DAY_S
                    log.info("suggestions: %d new", sum(each.is_new for each in found))
            except StoreError as error:
                log.warning("suggestions: %s; they are looked for later", error)
