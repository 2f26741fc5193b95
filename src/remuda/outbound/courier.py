"""Sends what is due to somebody elsewhere, whatever it is, until they have heard it.

What is due stands in the store since the transaction that it tells of; here it is claimed with a lease, sent, and what
came of it kept. Sent at least once: whoever is told twice knows it by the message's id.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic

from remuda.core.chance import Chance
from remuda.core.clock import Clock
from remuda.core.delivery import Sent
from remuda.core.tasks import Tasks
from remuda.outbound.webhooks import shown_url
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.outbox import Claim, Outbox

log = logging.getLogger(__name__)

CONCURRENCY: Final = 32
"""Deliveries under way at once."""
PER_ORIGIN: Final = 4
"""From so many to one origin on no more are begun there, and at most so many are begun in one turn: a receiver that is
slow or gone shall not keep others from being told."""
POLL_S: Final = 0.5
FORGET_S: Final = 60.0
LEASE_BEYOND_S: Final = 10.0
"""How much longer than an attempt a claim lasts."""
STORE_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class CourierRules:
    """How messages are sent."""

    max_attempts: int = 8
    timeout_s: float = 10.0
    backoff_s: float = 5.0
    """Before the second attempt; twice as long before each further one."""
    max_backoff_s: float = 3600.0
    retention_s: float = 3600.0
    """How long the log keeps a delivery after its end."""


class Courier(Generic[Claim]):
    """One of any number on the same store."""

    def __init__(
        self,
        name: str,
        store: Store,
        outbox: Outbox[Claim],
        send: Callable[[Claim, float], Awaitable[Sent]],
        clock: Clock,
        chance: Chance,
        rules: CourierRules | None = None,
    ) -> None:
        """`name` is never used again by another courier; `send` makes one attempt, at the wall time that it is handed,
        and never raises."""
        self._name = name
        self._store = store
        self._outbox = outbox
        self._send = send
        self._clock = clock
        self._chance = chance
        self._rules = rules or CourierRules()
        self._tasks = Tasks("courier")
        self._under_way: dict[int, Claim] = {}
        self._woken = asyncio.Event()
        self.counts = {"delivered": 0, "failed": 0, "given_up": 0}
        """Attempts by what came of them: those that failed are tried again, or were the last."""

    def start(self) -> None:
        """Begin to send."""
        self._tasks.start(self._run(), "send")
        self._tasks.start(self._forget(), "forget")

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def close(self) -> None:
        """Stop. What is under way is due again: another sender, or this one when it is started again, sees to it."""
        left = list(self._under_way.values())
        await self._tasks.close()
        for claim in left:
            sent = Sent(is_delivered=False, error="the gateway ended while it was sent")
            with suppress(StoreError):  # then its lease runs out
                await self._outbox.settle(
                    self._store, claim, sent, self._clock.wall(), again_s=0.0, retention_s=self._rules.retention_s
                )

    async def _run(self) -> None:
        while True:
            try:
                await self._begin()
            except StoreError as error:
                log.warning("telling others: %s", error)
                await self._clock.sleep(STORE_RETRY_S)
            except Exception:
                # Whatever one turn met, what is due must go on being sent.
                log.exception("telling others: a turn failed; it goes on")
                await self._clock.sleep(STORE_RETRY_S)
            try:
                async with asyncio.timeout(POLL_S):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()

    async def _begin(self) -> None:
        lease_s = self._rules.timeout_s + LEASE_BEYOND_S
        while (room := min(PER_ORIGIN, CONCURRENCY - len(self._under_way))) > 0:
            counts = Counter(claim.origin for claim in self._under_way.values())
            busy = [origin for origin, count in counts.items() if count >= PER_ORIGIN]
            now = self._clock.wall()
            if not await self._outbox.has_due(self._store, now, busy):
                return
            for claim in await self._outbox.claim(self._store, self._name, room, now, lease_s, busy):
                self._under_way[claim.seq] = claim
                self._tasks.start(self._see_through(claim), claim.message_id)

    async def _see_through(self, claim: Claim) -> None:
        try:
            sent = await self._attempt(claim)
            await self._settle(claim, sent)
        except StoreError as error:
            log.warning("telling others: %s; %s is sent again when its lease is over", error, claim.message_id)
        finally:
            self._under_way.pop(claim.seq, None)
            self.wake()

    async def _attempt(self, claim: Claim) -> Sent:
        if claim.attempt > self._rules.max_attempts:
            return Sent(is_delivered=False, error="the process that was to send it ended each time")
        return await self._send(claim, self._clock.wall())

    async def _settle(self, claim: Claim, sent: Sent) -> None:
        rules = self._rules
        is_last = claim.attempt >= rules.max_attempts
        again_s = None if sent.is_delivered or is_last else backoff_s(rules, claim.attempt, self._chance())
        is_kept = await self._outbox.settle(
            self._store, claim, sent, self._clock.wall(), again_s=again_s, retention_s=rules.retention_s
        )
        if not is_kept:
            return
        self.counts["delivered" if sent.is_delivered else "failed" if again_s is not None else "given_up"] += 1
        if not sent.is_delivered:
            log.warning(
                "%s was not told of %s (attempt %d of %d): %s",
                shown_url(claim.url),
                claim.about,
                min(claim.attempt, rules.max_attempts),
                rules.max_attempts,
                sent.error,
            )

    async def _forget(self) -> None:
        while True:
            await self._clock.sleep(FORGET_S)
            try:
                await self._outbox.forget(self._store, self._clock.wall())
            except StoreError as error:
                log.warning("telling others: %s", error)


def backoff_s(rules: CourierRules, attempt: int, chance: float) -> float:
    """How long to wait after so many attempts: exponential, between half and all of it (`chance` from 0 to 1)."""
    longest = min(rules.max_backoff_s, rules.backoff_s * 2.0 ** min(attempt - 1, 60))
    return longest * (0.5 + chance / 2)
