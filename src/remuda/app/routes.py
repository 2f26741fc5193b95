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
    """`*` for every method the API knows. HEAD goes wherever GET does."""
    path: str
    dialect: str
    scope: str
    """What a key must hold for it; `public` where none is needed."""
    summary: str
    is_lane: bool
    """Answered by the fast lane."""


def route_table(parts: Parts) -> list[RouteRow]:
    """All routes, sorted by path; made from the application itself, so none can be missing."""
    needs = policy()
    lane_paths = {route.path: route for route in parts.lane_routes}
    rows: list[RouteRow] = []
    for route in inner_app(parts).router.routes:
        if not isinstance(route, APIRoute | PlainRoute):
            raise TypeError(f"{route!r} is not listed: give it a row")
        methods = sorted((route.methods or set()) - {"HEAD"})
        shown = ["*"] if methods == sorted(METHODS) else methods
        lane_route = lane_paths.get(route.path) if shown == ["POST"] else None
        for method in shown:
            needed = str(needs.need("POST" if method == "*" else method, route.path))
            needed = str(lane_route.scope) if lane_route is not None else needed
            dialect = str(route.tags[0])
            rows.append(RouteRow(method, route.path, dialect, needed, route.summary or "", lane_route is not None))
    return sorted(rows, key=lambda row: (row.path, row.method))


def as_text(rows: Iterable[RouteRow]) -> str:
    """The table for a terminal."""
    shown = [(row.method, row.path, row.dialect, row.scope, row.summary) for row in rows]
    widths = [max((len(cells[column]) for cells in shown), default=0) for column in range(4)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(cells, (*widths, 0), strict=True)) for cells in shown)
    return "".join(line.rstrip() + "\n" for line in lines)


def as_markdown(rows: Iterable[RouteRow]) -> str:
    """`docs/reference/routes.md`."""
    lines = [
        "# Routes",
        "",
        "Made from the code (`ACCEPT=1 make test` renews it); `remuda routes` prints the same. HEAD is answered",
        "wherever GET is, OPTIONS for web pages of allowed origins (`server.cors_origins`). *Needs* is what a key must",
        "hold; a key with `admin` may do everything. Routes marked ⚡ are answered by the fast lane. `*` stands for",
        "every method.",
        "",
        "| Method | Path | Dialect | Needs | |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        method = row.method.replace("*", "\\*")
        summary = f"⚡ {row.summary}" if row.is_lane else row.summary
        lines.append(f"| {method} | `{row.path}` | {row.dialect} | {row.scope} | {summary} |")
    return "\n".join(lines) + "\n"
