"""What requests cost, put together."""

from collections.abc import Sequence

from remuda.app.way import Way
from remuda.core.clock import Clock
from remuda.dialects.observe.parts import Part
from remuda.dialects.observe.prices import PriceRoutes
from remuda.gateway.exchange import Exchange
from remuda.insight.prices import Prices
from remuda.store.database import Store


class Costs:
    """Prices, and who asks for them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._prices = Prices(store, clock)
        self.parts: Sequence[Part] = (PriceRoutes(self._prices),)

    def attach_to(self, way: Way) -> None:
        """From now on what goes this way costs what it costs."""
        self._prices.on_change(lambda: way.reckon_by(self._reckon if self._prices else None))

    async def renew(self) -> int:
        """Take in what the store holds; returns the revision it was read at. Raises StoreError."""
        return await self._prices.renew()

    def _reckon(self, exchange: Exchange, duration_s: float) -> tuple[int, float | None]:
        return self._prices.cost_nano(exchange, duration_s), None


def bare_parts() -> Sequence[Part]:
    """The same with nothing behind it: to be listed and described."""
    return (PriceRoutes(),)
