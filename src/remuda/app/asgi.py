"""All ordinary routes as one ASGI application. What the lane answers is listed and described here, but not served."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope as AsgiScope

from remuda.app import insights, openapi
from remuda.app.lane_routes import lane_routes
from remuda.core.clock import SystemClock
from remuda.core.ids import Ids, request_ids
from remuda.dialects.anthropic import errors as anthropic_errors
from remuda.dialects.anthropic import routes as anthropic
from remuda.dialects.anthropic.models import HEADER, models_answer
from remuda.dialects.console import docs
from remuda.dialects.console import routes as console
from remuda.dialects.console.docs import DOCUMENTED, docs_routes
from remuda.dialects.control import routes as control
from remuda.dialects.control.health import MachineUse, ReadVitals, Vitals
from remuda.dialects.control.routes import Broker, Exposition, Readiness
from remuda.dialects.kit import errors
from remuda.dialects.kit.access import Policy, Rule
from remuda.dialects.kit.front import Front, OnAnswered
from remuda.dialects.kit.owners import Guest, Owners, Renderer
from remuda.dialects.manage import errors as manage_errors
from remuda.dialects.manage import monitoring
from remuda.dialects.manage.monitoring import MonitoringRoutes
from remuda.dialects.nodes import account
from remuda.dialects.nodes import errors as nodes_errors
from remuda.dialects.nodes import routes as nodes
from remuda.dialects.nodes.herd import EMPTY, Herd, Pulls, Strategy
from remuda.dialects.observe import errors as observe_errors
from remuda.dialects.observe import routes as observe
from remuda.dialects.observe.parts import Part
from remuda.dialects.ollama import errors as ollama_errors
from remuda.dialects.ollama import routes as ollama
from remuda.dialects.ollama.keepers import NOBODY, Keepers
from remuda.dialects.ollama.keeping import BELOW_BLOBS
from remuda.dialects.ollama.own import NONE, OwnModels
from remuda.dialects.openai import errors as openai_errors
from remuda.dialects.openai import face as openai_face
from remuda.dialects.openai import routes as openai
from remuda.dialects.openai.batches import BatchRoutes
from remuda.dialects.openai.face import OpenAIFace
from remuda.dialects.tasks import errors as tasks_errors
from remuda.dialects.tasks import routes as tasks
from remuda.dialects.tasks import working
from remuda.dialects.tasks.routes import TaskRoutes
from remuda.dialects.tasks.working import WorkRoutes
from remuda.fleet.registry import Fleet
from remuda.gateway.authenticate import Gatekeeper
from remuda.gateway.face import LaneRoute
from remuda.gateway.guesses import Guesses
from remuda.gateway.headers import Cors
from remuda.gateway.log_in import LogIn
from remuda.gateway.tokens import Tokens

DOCUMENT: Final = {"/openapi.json": "get_openapi", "/api/schema": "get_schema"}
"""Where the document of all routes is, and what that is called in it."""
OWN_RULES: Final = tuple(Rule(path, DOCUMENTED) for path in DOCUMENT)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of."""

    gatekeeper: Gatekeeper
    log_in: LogIn
    fleet: Fleet
    herd: Herd
    pulls: Pulls
    keepers: Keepers
    own: OwnModels
    strategy: Strategy
    tasks: TaskRoutes
    work: WorkRoutes
    batches: BatchRoutes
    observe: Sequence[Part]
    monitoring: MonitoringRoutes
    lane_routes: Sequence[LaneRoute]
    """What the lane answers."""
    cors: Cors
    ids: Ids
    metrics: Exposition
    readiness: Readiness
    vitals: ReadVitals
    version: str
    pseudonym: str = ""
    """What this gateway calls itself to other Remudas."""
    monotonic: Callable[[], float] = lambda: 0.0
    wall: Callable[[], float] = lambda: 0.0
    max_body_bytes: int = 32 * 1024 * 1024
    """Longest body of an ordinary request; the lane has its own bound."""
    max_blob_bytes: int = 256 * 1024 * 1024 * 1024
    """Longest file that is passed on to nodes."""
    on_key_used: Callable[[str], None] = lambda key_id: None
    """Takes the id of a key that an ordinary request was made with."""
    broker: Callable[[], Broker] = Broker
    """What keeps the tasks."""
    on_answered: OnAnswered = lambda method, template, status, seconds: None
    """Takes what was answered by an ordinary route."""
    lifespan: Lifespan | None = None
    """Entered before the first request, left after the last."""


def build_app(parts: Parts) -> Front:
    """The application: the front, and behind it every dialect's ordinary routes."""
    app = inner_app(parts)

    def is_route(scope: AsgiScope) -> bool:
        return any(route.matches(scope)[0] is not Match.NONE for route in app.router.routes)

    return Front(
        app,
        gatekeeper=parts.gatekeeper,
        policy=policy(),
        owners=owners(parts.wall),
        cors=parts.cors,
        ids=parts.ids,
        max_body_bytes=parts.max_body_bytes,
        on_key_used=parts.on_key_used,
        is_route=is_route,
        on_answered=parts.on_answered,
        monotonic=parts.monotonic,
        body_bounds={**parts.batches.body_bounds, BELOW_BLOBS: parts.max_blob_bytes},
    )


def inner_app(parts: Parts) -> FastAPI:
    """What stands behind the front. Never serve it bare: it admits everybody."""
    app = FastAPI(
        title="Remuda",
        version=parts.version,
        description=openapi.DESCRIPTION,
        lifespan=parts.lifespan,
        # The document has a route of its own below, and so has its page: FastAPI's fetch scripts from foreign hosts.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    own_routes = (
        console.router(parts.fleet, lambda: not parts.gatekeeper.is_open, parts.version),
        control.router(
            parts.fleet,
            parts.readiness,
            parts.vitals,
            parts.metrics,
            parts.version,
            parts.tasks.default_model,
            parts.broker,
        ),
        anthropic.router(),  # before OpenAI's, which has a word for whatever else is under /v1
        openai.router(
            parts.fleet, parts.lane_routes, parts.batches, models_answer, parts.pseudonym, parts.own.expires_at
        ),
        ollama.router(parts.fleet, parts.lane_routes, parts.keepers, parts.own),
        nodes.router(parts.herd, parts.pulls, parts.strategy, parts.fleet, parts.monotonic),
        parts.tasks.router(),
        parts.work.router(),
        observe.router(parts.observe),
        parts.monitoring.router(),
        account.router(parts.log_in, parts.gatekeeper.client_of),
    )
    # Side by side in one list, not nested: what looks routes up (405's Allow, the route table) sees all of them.
    for router in own_routes:
        app.router.routes.extend(router.routes)
    app.router.routes.extend(docs_routes(lambda: not parts.gatekeeper.is_open))
    _add_document(app)
    errors.install(app, owners(parts.wall))
    return app


def policy() -> Policy:
    """What each route needs of its caller."""
    dialects = (
        console.RULES,
        docs.RULES,
        control.RULES,
        anthropic.RULES,
        openai.RULES,
        ollama.RULES,
        nodes.RULES,
        account.RULES,
        tasks.RULES,
        working.RULES,
        observe.RULES,
    )
    return Policy((*chain.from_iterable(dialects), *OWN_RULES))


def owners(wall: Callable[[], float]) -> Owners:
    """Who says what went wrong: each path's own dialect; OpenAI's words elsewhere.

    What nobody has below /api is Ollama's to refuse: most clients that look for something there are its own (C12).
    """
    by_prefix: dict[str, Renderer] = dict.fromkeys(openai_face.VERSIONS, openai_errors.refusal)
    by_prefix |= dict.fromkeys(anthropic.PATHS, anthropic_errors.refusal)
    by_prefix |= dict.fromkeys(("/api", *ollama.PATHS), ollama_errors.refusal)
    by_prefix |= dict.fromkeys(("/api/account", "/api/proxy/nodes", "/api/proxy/config"), nodes_errors.refusal)
    by_prefix |= dict.fromkeys((*tasks.PATHS, *working.PATHS), tasks_errors.refusal)
    by_prefix |= dict.fromkeys(monitoring.PATHS, manage_errors.refusals(wall))
    by_prefix |= dict.fromkeys(observe.PATHS, observe_errors.refusal)
    anthropics = Guest(HEADER.encode(), openai_face.VERSIONS[0], anthropic_errors.refusal)
    return Owners(default=openai_errors.refusal, by_prefix=by_prefix, guests=[anthropics])


def bare_parts(version: str) -> Parts:
    """Parts without anything behind them: enough to list and describe all routes, not to serve."""
    return Parts(
        gatekeeper=Gatekeeper(keyless_allowed=False, wall=lambda: 0.0),
        log_in=LogIn(Tokens(lambda: b"", lambda: 0.0, request_ids()), Guesses(lambda: 0.0)),
        fleet=Fleet(),
        herd=EMPTY,
        pulls=EMPTY,
        keepers=NOBODY,
        own=NONE,
        strategy=EMPTY,
        tasks=TaskRoutes(),
        work=WorkRoutes(),
        batches=BatchRoutes(),
        observe=insights.bare_parts(),
        monitoring=MonitoringRoutes(),
        lane_routes=lane_routes(OpenAIFace(), SystemClock(), request_ids()),
        cors=Cors(),
        ids=request_ids(),
        metrics=lambda: (b"", "text/plain"),
        readiness=lambda: ["nothing is behind these routes"],
        vitals=lambda: Vitals(0.0, 0.0, True, False, False, MachineUse(0.0, 0.0, 0.0)),
        version=version,
    )


def _add_document(app: FastAPI) -> None:
    document: bytes | None = None

    async def openapi_json() -> Response:
        nonlocal document
        if document is None:
            document = openapi.encoded(app, policy())
        return Response(document, media_type="application/json")

    content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    for path, operation_id in DOCUMENT.items():
        app.add_api_route(
            path,
            openapi_json,
            tags=["control"],
            summary="This document",
            operation_id=operation_id,
            response_class=Response,
            responses={200: {"description": "Every route, described.", "content": content}},
        )
