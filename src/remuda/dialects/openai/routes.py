"""OpenAI's ordinary routes: models, a clear word for what is not offered, and the lane's routes as ASGI sees them."""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response

from remuda.core.faults import NotOffered, UnknownRoute
from remuda.core.keys import Scope
from remuda.dialects.kit.access import Access, Rule
from remuda.dialects.kit.documents import json_of
from remuda.dialects.kit.lane_routes import add_lane_route, operation_id
from remuda.dialects.kit.plain import PlainRoute
from remuda.dialects.openai import batches
from remuda.dialects.openai.documents import OPERATIONS
from remuda.dialects.openai.face import NAME, VERSIONS
from remuda.dialects.openai.facts import Expiry, no_expiry
from remuda.dialects.openai.models import listed, retrieved
from remuda.dialects.openai.schemas import ModelList, ModelObject
from remuda.fleet.registry import Fleet
from remuda.gateway.face import LaneRoute
from remuda.wire.via import via_of

METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
"""What OpenAI's own surface and document S1 (row 63) use."""

RULES: Final = (
    *(Rule(prefix + "/*", Access(Scope.INFERENCE, also=Scope.READ), methods=None) for prefix in VERSIONS),
    *batches.RULES,
)
"""Nothing under these paths manages anything: a key for inference may list models, and hears what is not offered."""

BELOW: Final = "/{rest:path}"
_NOT_OFFERED: Final = {
    "assistants": "assistants: send the whole conversation to /v1/chat/completions instead",
    "audio": "audio, neither speech nor transcription: no engine here speaks or listens",
    "chat/completions" + BELOW: "stored chat completions: it does not keep them for clients",
    "chatkit": "ChatKit sessions",
    "containers": "containers",
    "conversations": "kept conversations: send the whole conversation with each request",
    "evals": "evaluations",
    "fine_tuning": "fine-tuning: models are trained elsewhere and brought here as files",
    "images": "images: no engine here draws",
    "moderations": "moderation: no model here is made for it",
    "organization": "OpenAI's organisation management",
    "realtime": "realtime sessions: use /v1/chat/completions with `stream`",
    "responses" + BELOW: "kept responses: send the whole conversation with each request to /v1/responses",
    "skills": "skills",
    "threads": "threads: send the whole conversation to /v1/chat/completions instead",
    "uploads": "uploads: send contents inside the request",
    "vector_stores": "vector stores: make vectors with /v1/embeddings and keep them in a store of your own",
    "videos": "videos: no engine here films",
}
"""The rest of OpenAI's surface, in words that follow "this gateway does not offer"."""
_COUNTING: Final = "the counting of tokens beforehand: the `usage` of each answer has them"
_NOT_OFFERED_BELOW: Final = {
    "chat/completions/input_tokens": _COUNTING,
    "responses/compact": "the compaction of conversations: shorten them yourself, or send them whole",
    "responses/input_tokens": _COUNTING,
}
"""Addresses below one of those that need words of their own."""


OtherWords = Callable[[Fleet, Request, str | None], Response | None]
"""The models, or the one of that name, in another dialect's words where the request speaks that; else None."""


def router(
    fleet: Fleet,
    lane_routes: Iterable[LaneRoute],
    batch_routes: batches.BatchRoutes,
    other_words: OtherWords = lambda fleet, request, name: None,
    pseudonym: str = "",
    expiry: Expiry = no_expiry,
) -> APIRouter:
    """All of OpenAI's paths but what the lane answers. `pseudonym`: what this gateway calls itself to other Remudas;
    `expiry`: when it unloads a model of its own."""
    routes = APIRouter(tags=["openai"], default_response_class=Response)
    _add_models(routes, fleet, other_words, pseudonym, expiry)
    batch_routes.add_to(routes)
    for route in lane_routes:
        if route.operation is not None and route.face.name == NAME:
            add_lane_route(routes, route.path, OPERATIONS[route.operation])
    for prefix in VERSIONS:
        for path, words in _NOT_OFFERED.items():
            _add_not_offered(routes, prefix, path, words)
    return routes


def _add_models(routes: APIRouter, fleet: Fleet, other_words: OtherWords, pseudonym: str, expiry: Expiry) -> None:
    async def list_models(request: Request) -> Response:
        via = via_of(request.headers.raw)
        askers = frozenset[str]() if via is None else via.hops
        return other_words(fleet, request, None) or _json(listed(fleet, pseudonym, askers, expiry))

    async def retrieve_model(request: Request, name: str) -> Response:
        if not name:
            raise UnknownRoute
        return other_words(fleet, request, name) or _json(retrieved(fleet, name))

    for prefix in VERSIONS:
        _get(routes, f"{prefix}/models", list_models, "List the models", "All models and aliases.", ModelList)
        _get(routes, f"{prefix}/models/{{name:path}}", retrieve_model, "Describe a model", "The model.", ModelObject)


def _get(
    routes: APIRouter, path: str, endpoint: Callable[..., object], summary: str, answer: str, struct: type
) -> None:
    routes.add_api_route(
        path,
        endpoint,
        summary=summary,
        operation_id=operation_id("get", path),
        responses={200: {"description": answer, "content": json_of(struct)}},
    )


def _add_not_offered(routes: APIRouter, prefix: str, path: str, words: str) -> None:
    async def not_offered(request: Request) -> Response:
        if request.path_params.get("rest") == "" and is_below:
            raise UnknownRoute  # what stands above is offered, though not with a slash at its end
        address = f"{path.removesuffix(BELOW)}/{request.path_params.get('rest', '')}"
        raise NotOffered(f"this gateway does not offer {_NOT_OFFERED_BELOW.get(address, words)}")

    is_below = path.endswith(BELOW)
    for each in (path,) if is_below else (path, path + BELOW):
        routes.routes.append(
            PlainRoute(f"{prefix}/{each}", not_offered, methods=METHODS, dialect="openai", summary="Not offered")
        )


def _json(struct: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(struct), media_type="application/json")
