"""Tells those whom tasks name that they are over."""

from collections.abc import Callable

from remuda.core.chance import Chance
from remuda.core.clock import Clock
from remuda.core.delivery import ClaimedDelivery, Sent
from remuda.outbound.courier import Courier, CourierRules
from remuda.outbound.webhooks import Sender, send_signed
from remuda.store.database import Store
from remuda.store.deliveries import TASK_OUTBOX

Render = Callable[[ClaimedDelivery, float], bytes]
"""The body of a message, from the delivery and the time now."""


class Webhooks(Courier[ClaimedDelivery]):
    """One of any number on the same store."""

    def __init__(
        self,
        name: str,
        store: Store,
        sender: Sender,
        render: Render,
        key: Callable[[], bytes],
        clock: Clock,
        chance: Chance,
        rules: CourierRules | None = None,
    ) -> None:
        """`name` is never used again by another sender; `key` gives what messages are signed with, or raises
        ValueError."""

        async def send(claim: ClaimedDelivery, now: float) -> Sent:
            return await send_signed(sender, key, claim.url, claim.message_id, render(claim, now), now)

        super().__init__(name, store, TASK_OUTBOX, send, clock, chance, rules)
        self._sender = sender

    async def close(self) -> None:
        """Stop; see `Courier.close`."""
        await super().close()
        await self._sender.close()
