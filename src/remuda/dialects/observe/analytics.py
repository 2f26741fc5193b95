"""What the journal comes to: performance, models side by side, series over time."""

import re
from collections.abc import Callable
from typing import Final

from fastapi import Request, Response

from remuda.core.faults import Forbidden, InvalidRequest, Unavailable
from remuda.core.spans import DAY, GRAINS, MINUTE
from remuda.core.tally import DIMENSIONS
from remuda.dialects.kit.access import Rule
from remuda.dialects.observe import questions
from remuda.dialects.observe.analytics_schemas import ModelsCompared, Performance, Series, Values
from remuda.dialects.observe.analytics_shown import UNITS, width_shown
from remuda.dialects.observe.parts import MAX_SHOWN, Add, QueryField, answered_with, number_in, sees_all
from remuda.dialects.observe.window import WINDOW, window_in
from remuda.insight.analytics import Analytics

RULES: Final[tuple[Rule, ...]] = ()
MAX_POINTS: Final = 500
MAX_GROUPS: Final = 20
GROUPS: Final = 10
MAX_CELLS: Final = 3000
"""Points of all groups of a series together."""
POINTS: Final = 200
"""How many a series has at most where its width is not asked for: it is a grain's then, so that each point of the past
is one row."""
SERIES_QUERY: Final = (
    *WINDOW,
    QueryField("group_by", "model, replica, key or user; keys and users need a key that may manage."),
    QueryField("bucket", "How long each point is, such as 5m, 1h or 1d."),
    QueryField("top", "How many values are told by themselves, those with most requests; 10 by default.", "integer"),
)
_WIDTH: Final = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_PERSONAL: Final = ("key", "user")


class AnalyticsRoutes:
    """What answers them."""

    def __init__(self, analytics: Analytics | None = None, wall: Callable[[], float] = lambda: 0.0) -> None:
        """Without analytics, to be listed and described only."""
        self._given = analytics
        self._wall = wall

    def add_to(self, add: Add) -> None:
        """All of them."""
        analytics, values = "/api/analytics/", "What requests can be told apart by"
        add(
            "GET",
            analytics + "performance",
            self._performance,
            "How fast and how well it went",
            Performance,
            query=WINDOW,
        )
        add("GET", analytics + "timeseries", self._series, "How it went over time", Series, query=SERIES_QUERY)
        add("GET", analytics + "values", self._values, values, Values, query=WINDOW)
        add("GET", "/api/model-performance", self._models, "Models side by side", ModelsCompared, query=WINDOW)

    @property
    def _analytics(self) -> Analytics:
        if self._given is None:
            raise Unavailable
        return self._given

    def _span(self, request: Request) -> tuple[float, float]:
        now = self._wall()
        since, until = window_in(request, now)
        return since, now if until is None else until

    async def _performance(self, request: Request) -> Response:
        return answered_with(await self._analytics.ask(questions.performance, *self._span(request)))

    async def _models(self, request: Request) -> Response:
        return answered_with(await self._analytics.ask(questions.models, *self._span(request)))

    async def _series(self, request: Request) -> Response:
        start, end = self._span(request)
        dimension = _dimension_in(request)
        width_s = width_in(request, end - start)
        top = top_in(request, int((end - start) / width_s) + 1)
        return answered_with(await self._analytics.ask(questions.series, start, end, dimension, top, width_s))

    async def _values(self, request: Request) -> Response:
        start, end = self._span(request)
        is_told_all = sees_all(request.state.caller)
        return answered_with(await self._analytics.ask(questions.values, start, end, is_told_all=is_told_all))


def top_in(request: Request, points: int) -> int:
    """How many values a series of so many points tells by themselves. Raises InvalidRequest."""
    most = min(MAX_GROUPS, max(1, MAX_CELLS // points))
    where = f" where there are {points} points"
    return number_in(request, "top", min(GROUPS, most), least=1, most=most, where=where)


def _dimension_in(request: Request) -> str:
    said = request.query_params.get("group_by", "all")
    if said not in DIMENSIONS:
        words = ", ".join(DIMENSIONS[1:])
        raise InvalidRequest(f"group_by is one of {words}", parameter="group_by", received=said[:MAX_SHOWN])
    if said in _PERSONAL and not sees_all(request.state.caller):
        raise Forbidden(f"group_by={said} needs a key that may manage: it tells who asked")
    return said


def width_in(request: Request, span_s: float) -> int:
    """How long each point of a series is, in seconds: as the query says, or such that there are not too many. Raises
    InvalidRequest."""
    said = request.query_params.get("bucket")
    least = int(span_s / (MAX_POINTS - 1)) + 1
    if said is None:
        return next((width for width in GRAINS if span_s / width <= POINTS), -(-least // DAY) * DAY)
    found = _WIDTH.fullmatch(said)
    if found is None:
        raise InvalidRequest("bucket is such as 5m, 1h or 1d", parameter="bucket", received=said[:MAX_SHOWN])
    width_s = int(found[1]) * UNITS[found[2]]
    if width_s < least:
        wanted = width_shown(-(-least // MINUTE) * MINUTE)
        raise InvalidRequest(
            f"a series has at most {MAX_POINTS} points: bucket is at least {wanted}", parameter="bucket"
        )
    return width_s
