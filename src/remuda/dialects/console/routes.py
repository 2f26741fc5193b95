"""`GET /`: a page for browsers, a few facts in JSON for programs, and the word that Ollama's clients look for (C4)."""

import re
from collections.abc import Callable
from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response

from remuda.dialects.console.first_model import model_to_try
from remuda.dialects.console.page import CONTENT_SECURITY, Standing, page
from remuda.dialects.console.schemas import Info
from remuda.dialects.kit.access import PUBLIC, Rule
from remuda.dialects.kit.documents import json_of
from remuda.fleet.registry import Fleet

RULES: Final = (Rule("/", PUBLIC),)
SCHEMAS: Final = (Info,)

_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_HEADERS: Final = {"cache-control": "no-store", "vary": "Accept, User-Agent"}


def router(fleet: Fleet, needs_key: Callable[[], bool], version: str) -> APIRouter:
    """The landing page."""
    routes = APIRouter(tags=["console"], default_response_class=Response)

    async def landing(request: Request) -> Response:
        if "ollama" in request.headers.get("user-agent", "").lower():
            return Response("Ollama is running", media_type="text/plain", headers=_HEADERS)
        if prefers_html(request.headers.get("accept", "")):
            models = fleet.offered()
            names = [model.name for model in models]
            content = page(Standing(version, needs_key(), names, base_url(request), model_to_try(models)))
            headers = {**_HEADERS, "content-security-policy": CONTENT_SECURITY, "referrer-policy": "no-referrer"}
            return Response(content, media_type="text/html", headers=headers)
        info = Info(version=version, needs_key=needs_key())
        return Response(msgspec.json.encode(info), media_type="application/json", headers=_HEADERS)

    routes.add_api_route(
        "/",
        landing,
        summary="What this is, for people and programs",
        operation_id="get_root",
        responses={
            200: {
                "description": "A page where the Accept header asks for one, else JSON.",
                "content": {**json_of(Info), "text/html": {"schema": {"type": "string"}}},
            }
        },
    )
    return routes


def prefers_html(accept: str) -> bool:
    """Whether `accept` names HTML, and JSON no more than that."""
    weights = {"text/html": 0.0, "application/json": 0.0}
    for entry in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        if kind in weights:
            weights[kind] = max(weights[kind], _weight(parameters))
    return weights["text/html"] > 0 and weights["text/html"] >= weights["application/json"]


def base_url(request: Request) -> str:
    """The gateway's address as this client wrote it; a relative one where its Host header is no such thing."""
    host = request.headers.get("host", "")
    return f"{request.scope.get('scheme', 'http')}://{host}" if _HOST.fullmatch(host) else ""


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
