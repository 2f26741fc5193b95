"""All of document S3's ordinary routes: what each part adds, side by side."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Response

from remuda.dialects.observe import (
    alerts,
    analytics,
    analytics_schemas,
    budgets,
    comparisons,
    cost_analysis,
    logs,
    prices,
    suggestions,
)
from remuda.dialects.observe.parts import NAME, Part, RefusedObservation, adder

PATHS: Final = (
    alerts.PATH,
    "/api/analytics",
    budgets.PATH,
    comparisons.PATH,
    cost_analysis.PATH,
    "/api/logs",
    "/api/model-performance",
    prices.PATH,
    suggestions.PATH,
)
"""Whose words errors below them are said in; longer than `/api`, which is Ollama's."""
RULES: Final = (*alerts.RULES, *analytics.RULES, *comparisons.RULES, *logs.RULES, *suggestions.RULES)
SCHEMAS: Final = (
    RefusedObservation,
    *alerts.SCHEMAS,
    *analytics_schemas.SCHEMAS,
    *budgets.SCHEMAS,
    *comparisons.SCHEMAS,
    *cost_analysis.SCHEMAS,
    *logs.SCHEMAS,
    *prices.SCHEMAS,
    *suggestions.SCHEMAS,
)


def router(parts: Sequence[Part]) -> APIRouter:
    """The routes of all parts."""
    routes = APIRouter(tags=[NAME], default_response_class=Response)
    for part in parts:
        part.add_to(adder(routes))
    return routes
