"""All of document S3's ordinary routes: what each part adds, side by side."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Response

from remuda.dialects.kit.lane_routes import add_lane_route
from remuda.dialects.observe import budgets, exports, logs, prices, proxy
from remuda.dialects.observe.parts import NAME, Part, RefusedObservation, adder

PATHS: Final = (budgets.PATH, prices.PATH, "/api/export", "/api/logs", "/proxy")
"""Whose words errors below them are said in; longer than `/api`, which is Ollama's."""
RULES: Final = (*exports.RULES, *logs.RULES, *proxy.RULES)
SCHEMAS: Final = (RefusedObservation, *budgets.SCHEMAS, *logs.SCHEMAS, *prices.SCHEMAS, *proxy.SCHEMAS)


def router(parts: Sequence[Part]) -> APIRouter:
    """The routes of all parts, and the lane's as ASGI sees it."""
    routes = APIRouter(tags=[NAME], default_response_class=Response)
    add_lane_route(routes, proxy.PATH, proxy.DESCRIBED)
    for part in parts:
        part.add_to(adder(routes))
    return routes
