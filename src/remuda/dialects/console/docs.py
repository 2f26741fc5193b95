"""`/docs`: every route to read and to try, by Swagger UI. All of it comes from this package, nothing from elsewhere."""

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from remuda.core.keys import Scope
from remuda.dialects.kit.access import Access, Rule
from remuda.dialects.kit.plain import PlainRoute

DOCUMENTED: Final = Access(Scope.READ, also=Scope.INFERENCE)
"""What the document of all routes needs, and so the page that shows it."""
RULES: Final = tuple(Rule(path, DOCUMENTED) for path in ("/docs", "/docs/*", "/redoc"))

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Remuda: routes</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
START: Final = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
"""
"""Addresses are relative to the page's, so that it works below a proxy's path too."""
CONTENT_SECURITY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only this gateway's own scripts run, and they reach nobody else."""

_HEADERS: Final = {"content-security-policy": CONTENT_SECURITY, "referrer-policy": "no-referrer"}
_ASSETS: Final = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_KEPT: Final = {"cache-control": "private, max-age=3600"}
_FOLDER: Final = Path(__file__).with_name("swagger")


def docs_routes() -> list[BaseRoute]:
    """The page, what it is made of, and where other gateways have one."""

    async def page(request: Request) -> Response:
        return Response(PAGE, media_type="text/html", headers={**_HEADERS, "cache-control": "no-store"})

    async def start(request: Request) -> Response:
        return Response(START, media_type="text/javascript", headers=_KEPT)

    async def redoc(request: Request) -> Response:
        return RedirectResponse("docs", status_code=307, headers={"cache-control": "no-store"})

    return [
        _route("/docs", page, "Every route, to read and to try"),
        _route("/docs/start.js", start, "Part of /docs"),
        *(_route(f"/docs/{name}", _asset(name, kind), "Part of /docs") for name, kind in _ASSETS.items()),
        _route("/redoc", redoc, "Leads to /docs"),
    ]


def _asset(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    @cache
    def content() -> bytes:
        return (_FOLDER / name).read_bytes()

    async def asset(request: Request) -> Response:
        return Response(content(), media_type=kind, headers=_KEPT)

    return asset


def _route(path: str, endpoint: Callable[[Request], Awaitable[Response]], summary: str) -> PlainRoute:
    return PlainRoute(path, endpoint, methods=["GET"], dialect="console", summary=summary)
