"""All of document S3's ordinary routes: what each part adds, side by side."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Response

from remuda.dialects.kit.lane_routes import add_lane_route
from remuda.dialects.observe import (
    alerts,
    analytics,
    analytics_schemas,
    budgets,
    comparisons,
    cost_analysis,
    exports,
    logs,
    prices,
    proxy,
    suggestions,
)
from remuda.dialects.observe.parts import NAME, Part, RefusedObservation, adder

PATHS: Final = (
    alerts.PATH,
    "/api/analytics",
    budgets.PATH,
    comparisons.PATH,
    cost_analysis.PATH,
    "/api/export",
    "/api/logs",
    "/api/model-performance",
    prices.PATH,
    "/proxy",
    suggestions.PATH,
)
"""Whose words errors below them are said in; longer than `/api`, which is Ollama's."""
RULES: Final = (
    *alerts.RULES,
    *analytics.RULES,
    *comparisons.RULES,
    *exports.RULES,
    *logs.RULES,
    *proxy.RULES,
    *suggestions.RULES,
)
SCHEMAS: Final = (
    RefusedObservation,
    *alerts.SCHEMAS,
    *analytics_schemas.SCHEMAS,
    *budgets.SCHEMAS,
    *comparisons.SCHEMAS,
    *cost_analysis.SCHEMAS,
    *logs.SCHEMAS,
    *prices.SCHEMAS,
    *proxy.SCHEMAS,
    *suggestions.SCHEMAS,
)


def router(parts: Sequence[Part]) -> APIRouter:
    """The routes of all parts, and the lane's as ASGI sees it."""
    routes = APIRouter(tags=[NAME], default_response_class=Response)
    add_lane_route(routes, proxy.PATH, proxy.DESCRIBED)
    for part in parts:
        part.add_to(adder(routes))
    return routes
