"""Every route to read and to try: `/docs` and `/swagger` by Swagger UI, `/redoc` by Redoc (C21).

All of it comes from this package, nothing from elsewhere. The pages are for everybody and tell nothing: a browser opens
them without a credential. The document they show needs one, which the page asks for and sends.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from remuda.core.keys import Scope
from remuda.dialects.kit.access import PUBLIC, Access, Rule
from remuda.dialects.kit.plain import PlainRoute

DOCUMENTED: Final = Access(Scope.READ, also=Scope.INFERENCE)
"""What the document of all routes needs."""
RULES: Final = tuple(Rule(path, PUBLIC) for path in ("/docs", "/docs/*", "/swagger", "/redoc"))

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Remuda: routes</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/start.css">
{loaded}
</head>
<body data-shows="{shows}"{needs_key}>
<form id="ask" hidden>
<label for="key">This gateway is closed: an API key, or the access token of a user.</label>
<input id="key" type="password" autocomplete="off" spellcheck="false">
<button>Show the routes</button>
<p id="said" role="status"></p>
</form>
<div id="docs"></div>
<script defer src="docs/start.js"></script>
</body>
</html>
"""
"""Addresses are relative to the page's, so that it works below a proxy's path too."""
SWAGGER: Final = """<link rel="stylesheet" href="docs/swagger-ui.css">
<script defer src="docs/swagger-ui-bundle.js"></script>"""
REDOC: Final = """<script defer src="docs/redoc.standalone.js"></script>"""
LOGO: Final = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
"""The one thing that Redoc would fetch from elsewhere."""

_STYLES: Final = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
)
"""The style elements that Redoc makes: empty ones, which it fills by script, and the one of its scroll bars."""
CONTENT_SECURITY: Final = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {_STYLES}; img-src 'self' data:; connect-src 'self'; "
    "worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only this gateway's own scripts run, and they reach nobody else. Redoc searches in a worker made of its own text."""

_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY,
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_KEPT: Final = {"cache-control": "public, max-age=3600"}
_FOLDER: Final = Path(__file__).parent


class _Asset(NamedTuple):
    path: str
    """Below this folder."""
    kind: str
    without: bytes = b""
    """What is taken out of it as it is served."""


ASSETS: Final = (
    _Asset("start/start.css", "text/css"),
    _Asset("start/start.js", "text/javascript"),
    _Asset("swagger/swagger-ui.css", "text/css"),
    _Asset("swagger/swagger-ui-bundle.js", "text/javascript"),
    _Asset("redoc/redoc.standalone.js", "text/javascript", without=LOGO),
)


def docs_routes(needs_key: Callable[[], bool]) -> list[BaseRoute]:
    """The pages, and what they are made of."""
    return [
        _route("/docs", _page("swagger", SWAGGER, needs_key), "Every route, to read and to try"),
        _route("/swagger", _page("swagger", SWAGGER, needs_key), "As /docs"),
        _route("/redoc", _page("redoc", REDOC, needs_key), "Every route, to read"),
        *(_route(f"/docs/{Path(asset.path).name}", _asset(asset), "Part of /docs") for asset in ASSETS),
    ]


def _page(shows: str, loaded: str, needs_key: Callable[[], bool]) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        content = PAGE.format(shows=shows, loaded=loaded, needs_key=" data-needs-key" if needs_key() else "")
        return Response(content, media_type="text/html", headers=_HEADERS)

    return page


def _asset(asset: _Asset) -> Callable[[Request], Awaitable[Response]]:
    @cache
    def content() -> bytes:
        raw = (_FOLDER / asset.path).read_bytes()
        return raw.replace(asset.without, b"data:,") if asset.without else raw

    async def send(request: Request) -> Response:
        return Response(content(), media_type=asset.kind, headers=_KEPT)

    return send


def _route(path: str, endpoint: Callable[[Request], Awaitable[Response]], summary: str) -> PlainRoute:
    return PlainRoute(path, endpoint, methods=["GET"], dialect="console", summary=summary)
