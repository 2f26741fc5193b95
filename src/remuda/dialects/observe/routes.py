"""All of document S3's ordinary routes: what each part adds, side by side."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Response

from remuda.dialects.observe import alerts, budgets, logs, prices
from remuda.dialects.observe.parts import NAME, Part, RefusedObservation, adder

PATHS: Final = (alerts.PATH, budgets.PATH, prices.PATH, "/api/logs")
"""Whose words errors below them are said in; longer than `/api`, which is Ollama's."""
RULES: Final = (*alerts.RULES, *logs.RULES)
SCHEMAS: Final = (RefusedObservation, *alerts.SCHEMAS, *budgets.SCHEMAS, *logs.SCHEMAS, *prices.SCHEMAS)


def router(parts: Sequence[Part]) -> APIRouter:
    """The routes of all parts."""
    routes = APIRouter(tags=[NAME], default_response_class=Response)
    for part in parts:
        part.add_to(adder(routes))
    return routes
