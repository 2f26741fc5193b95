"""`/api/monitoring`: how the machine and the gateway do, now and over the last days."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response

from remuda.core.faults import InvalidRequest, Unavailable
from remuda.core.moments import iso_time
from remuda.dialects.kit.documents import json_of
from remuda.dialects.manage.schemas import Moment, Monitoring, MonitoringHistory, Period, Summary
from remuda.insight.history import Span

NAME: Final = "manage"
PATHS: Final = ("/api/monitoring",)
HOURS: Final = 24
MAX_HOURS: Final = 168
RESOLUTIONS: Final = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600}
"""Seconds."""

ReadHistory = Callable[[float, float, int], Awaitable[Sequence[Span]]]
"""The spans of so many seconds from one moment to another that have something to tell; raises Unavailable."""


class MonitoringRoutes:
    """What answers them."""

    def __init__(
        self,
        now: Callable[[], Monitoring] | None = None,
        history: ReadHistory | None = None,
        wall: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Without anything, to be listed and described only."""
        self._now = now
        self._history = history
        self._wall = wall

    def router(self) -> APIRouter:
        """All of them."""
        routes = APIRouter(tags=[NAME], default_response_class=Response)
        for path, endpoint, summary, answer, operation in (
            ("/api/monitoring", self._tell_now, "How the machine and the gateway do", Monitoring, "monitoring"),
            (
                "/api/monitoring/history",
                self._tell_history,
                "How they did lately",
                MonitoringHistory,
                "monitoring_history",
            ),
        ):
            routes.add_api_route(
                path,
                endpoint,
                methods=["GET"],
                summary=summary,
                operation_id=f"get_api_{operation}",
                responses={200: {"description": "As asked.", "content": json_of(answer)}},
            )
        return routes

    async def _tell_now(self, request: Request) -> Response:
        del request
        if self._now is None:
            raise Unavailable
        return _json(self._now())

    async def _tell_history(self, request: Request) -> Response:
        hours = _hours_in(request.query_params.get("hours"))
        resolution = request.query_params.get("resolution", "5m")
        if resolution not in RESOLUTIONS:
            raise InvalidRequest(
                f"resolution is one of {', '.join(RESOLUTIONS)}", parameter="resolution", received=resolution[:100]
            )
        if self._history is None:
            raise Unavailable
        end = self._wall()
        start = end - hours * 3600
        spans = await self._history(start, end, RESOLUTIONS[resolution])
        return _json(history_shown(spans, Period(start=iso_time(start), end=iso_time(end), resolution=resolution)))


def history_shown(spans: Sequence[Span], period: Period) -> MonitoringHistory:
    """The history in the document's shape."""
    moments = [
        Moment(
            timestamp=iso_time(span.start),
            cpu=_rounded(span.cpu_percent),
            memory=_rounded(span.memory_percent),
            gpu=_rounded(span.gpu_percent),
            requests=span.requests,
            responseTime=None if span.duration_s is None else round(span.duration_s * 1000, 1),
        )
        for span in spans
    ]
    cpu = [moment.cpu for moment in moments if moment.cpu is not None]
    memory = [moment.memory for moment in moments if moment.memory is not None]
    times = [moment.responseTime for moment in moments if moment.responseTime is not None]
    summary = Summary(
        avgCpu=_mean(cpu),
        maxCpu=max(cpu, default=None),
        avgMemory=_mean(memory),
        maxMemory=max(memory, default=None),
        totalRequests=sum(moment.requests for moment in moments),
        avgResponseTime=_mean(times),
    )
    return MonitoringHistory(period=period, metrics=moments, summary=summary)


def _hours_in(said: str | None) -> int:
    if said is None:
        return HOURS
    hours = int(said) if said.isascii() and said.isdigit() and len(said) <= 6 else 0
    if not 1 <= hours <= MAX_HOURS:
        raise InvalidRequest(
            f"hours is a whole number from 1 to {MAX_HOURS}", parameter="hours", received=said[:100], expected="integer"
        )
    return hours


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 2) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _json(value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
