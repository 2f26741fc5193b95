"""What was spent: `/api/cost-analysis`."""

from collections.abc import Callable
from typing import Final

from fastapi import Request, Response

from remuda.core.faults import Unavailable
from remuda.core.money import Price
from remuda.dialects.observe.parts import Add, answered_with, sees_all
from remuda.dialects.observe.spending import CostAnalysis, spending
from remuda.dialects.observe.window import WINDOW, window_in
from remuda.insight.analytics import Analytics
from remuda.insight.prices import Prices

PATH: Final = "/api/cost-analysis"
SCHEMAS: Final = (CostAnalysis,)


class CostAnalysisRoutes:
    """What answers it."""

    def __init__(
        self,
        analytics: Analytics | None = None,
        prices: Prices | None = None,
        wall: Callable[[], float] = lambda: 0.0,
        cloud: Price | None = None,
    ) -> None:
        """Without analytics, to be listed and described only. `cloud`: what tokens cost elsewhere."""
        self._analytics = analytics
        self._prices = prices
        self._wall = wall
        self._cloud = cloud

    def add_to(self, add: Add) -> None:
        """The one."""
        add("GET", PATH, self._analysis, "What was spent", CostAnalysis, query=WINDOW)

    async def _analysis(self, request: Request) -> Response:
        if self._analytics is None:
            raise Unavailable
        now = self._wall()
        start, until = window_in(request, now)
        end = now if until is None else until
        prices = {} if self._prices is None else self._prices.in_force
        is_told_all = sees_all(request.state.caller)
        return answered_with(
            await self._analytics.ask(spending, start, end, prices, self._cloud, is_told_all=is_told_all)
        )
