"""Every route the gateway answers, as a table: for `remuda routes`, the documentation and a snapshot."""

from collections.abc import Iterable
from typing import NamedTuple

from fastapi.routing import APIRoute

from remuda.app.asgi import Parts, inner_app, policy
from remuda.dialects.kit.plain import PlainRoute
from remuda.dialects.openai.routes import METHODS


class RouteRow(NamedTuple):
    """One route."""

    method: str
    """`*` for every method the API knows; HEAD is answered wherever GET is, and has no row."""
    path: str
    dialect: str
    scope: str
    """What a key must hold for it; `public` where none is needed."""
    summary: str


def route_table(parts: Parts) -> list[RouteRow]:
    """All routes, sorted by path; made from the application itself, so none can be missing."""
    needs = policy()
    lane_scopes = {route.path: route.scope for route in parts.lane_routes}
    rows: list[RouteRow] = []
    for route in inner_app(parts).router.routes:
        if not isinstance(route, APIRoute | PlainRoute):
            raise TypeError(f"{route!r} is not listed: give it a row")
        methods = sorted((route.methods or set()) - {"HEAD"})
        shown = ["*"] if methods == sorted(METHODS) else methods
        for method in shown:
            needed = str(needs.need("POST" if method == "*" else method, route.path))
            if method == "POST" and route.path in lane_scopes:
                needed = str(lane_scopes[route.path])
            rows.append(RouteRow(method, route.path, str(route.tags[0]), needed, route.summary or ""))
    return sorted(rows, key=lambda row: (row.path, row.method))


def as_text(rows: Iterable[RouteRow]) -> str:
    """The table for a terminal."""
    shown = [(row.method, row.path, row.dialect, row.scope, row.summary) for row in rows]
    widths = [max((len(cells[column]) for cells in shown), default=0) for column in range(4)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(cells, (*widths, 0), strict=True)) for cells in shown)
    return "".join(line.rstrip() + "\n" for line in lines)
