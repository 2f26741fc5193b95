"""Ollama's ordinary routes: lists, a clear word for what is not offered, and the lane's routes as ASGI sees them."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from remuda.core.faults import InvalidRequest
from remuda.core.keys import Scope
from remuda.dialects.kit.access import Access, Rule
from remuda.dialects.kit.bodies import decoded
from remuda.dialects.kit.documents import json_of
from remuda.dialects.kit.lane_routes import add_lane_route, operation_id
from remuda.dialects.ollama import keeping, schemas
from remuda.dialects.ollama.documents import LANE
from remuda.dialects.ollama.face import NAME
from remuda.dialects.ollama.keepers import NOBODY, Keepers
from remuda.dialects.ollama.keeping import add_keeping
from remuda.dialects.ollama.models import listed, running, shown
from remuda.dialects.ollama.own import NONE, OwnModels
from remuda.fleet.registry import Fleet
from remuda.gateway.face import LaneRoute

API_LEVEL: Final = "0.12.11"
"""The release of Ollama whose API this speaks, as far as it speaks it: clients ask before they use what is newer."""

LOOKING: Final = (*LANE, "/api/tags", "/api/ps", "/api/show", "/api/version")
PATHS: Final = (*LOOKING, *keeping.PATHS)
"""What is Ollama's under `/api`, which other dialects share."""
RULES: Final = (
    *(
        Rule(each, Access(Scope.INFERENCE, also=Scope.READ), methods=None)
        for path in LOOKING
        for each in (path, path + "/*")
    ),
    *keeping.RULES,
)
"""A key for inference may list models; what nodes keep is changed by those who manage."""


def router(
    fleet: Fleet, lane_routes: Iterable[LaneRoute], keepers: Keepers = NOBODY, own: OwnModels = NONE
) -> APIRouter:
    """All of Ollama's paths but what the lane answers."""
    routes = APIRouter(tags=[NAME], default_response_class=Response)
    _add_lists(routes, fleet, own)
    for route in lane_routes:
        if route.face.name == NAME:
            add_lane_route(routes, route.path, LANE[route.path])
    add_keeping(routes, keepers)
    return routes


def _add_lists(routes: APIRouter, fleet: Fleet, own: OwnModels) -> None:
    async def tags() -> Response:
        return _json(listed(fleet))

    async def ps() -> Response:
        return _json(running(fleet, own))

    async def version() -> Response:
        return _json(schemas.OllamaVersion(API_LEVEL))

    async def show(request: Request) -> Response:
        asked = decoded(_decode_show, await request.body())
        name = asked.model or asked.name
        if not name:
            raise InvalidRequest("the request is missing the required parameter 'model'", parameter="model")
        return _json(shown(fleet, name))

    _add(routes, "/api/tags", tags, "List the models", "All models and aliases.", schemas.OllamaModels)
    _add(routes, "/api/ps", ps, "List the models that can answer at once", "Those models.", schemas.OllamaRunning)
    _add(routes, "/api/version", version, "Which of Ollama's APIs this is", "The version.", schemas.OllamaVersion)
    body = {"requestBody": {"required": True, "content": json_of(schemas.OllamaShow)}}
    _add(routes, "/api/show", show, "Describe a model", "The model.", schemas.OllamaShown, method="POST", extra=body)


def _add(
    routes: APIRouter,
    path: str,
    endpoint: Any,
    summary: str,
    answer: str,
    struct: type,
    *,
    method: str = "GET",
    extra: dict[str, Any] | None = None,
) -> None:
    routes.add_api_route(
        path,
        endpoint,
        methods=[method],
        summary=summary,
        operation_id=operation_id(method, path),
        responses={200: {"description": answer, "content": json_of(struct)}},
        openapi_extra=extra,
    )


_decode_show: Final = msgspec.json.Decoder(schemas.OllamaShow).decode


def _json(struct: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(struct), media_type="application/json; charset=utf-8")
