"""Liveness, readiness, health, version and metrics. None of them waits for work, the store or an upstream."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Response

from remuda.dialects.control.health import ReadVitals, api_health
from remuda.dialects.control.schemas import Alive, ApiHealth, BrokerKind, Health, Ready, Version
from remuda.dialects.kit.access import PUBLIC, Rule
from remuda.dialects.kit.documents import json_of
from remuda.fleet.registry import Fleet
from remuda.gateway.headers import API_VERSION

RULES: Final = tuple(
    Rule(path, PUBLIC) for path in ("/api/health", "/health", "/livez", "/metrics", "/readyz", "/version")
)
SCHEMAS: Final = (Alive, Ready, Health, ApiHealth, Version)

Readiness = Callable[[], Sequence[str]]
"""Why the gateway is not ready, in sentences that anybody may read; empty when it is. Answers at once."""
Exposition = Callable[[], tuple[bytes, str]]
"""All metrics, and their content type."""


class Broker(NamedTuple):
    """What keeps tasks, and carries news of them."""

    kind: BrokerKind = "store"
    is_store_up: bool = True
    is_redis_up: bool = True
    """Also where there is none."""

    @property
    def is_connected(self) -> bool:
        """Whether all of it answers."""
        return self.is_store_up and self.is_redis_up


REDIS_AWAY: Final = "Redis does not answer: what goes on at other gateways is looked up in the store meanwhile"

NO_STORE: Final = {"cache-control": "no-store"}


def router(
    fleet: Fleet,
    readiness: Readiness,
    vitals: ReadVitals,
    metrics: Exposition,
    version: str,
    default_model: Callable[[], str | None] = lambda: None,
    broker: Callable[[], Broker] = Broker,
) -> APIRouter:
    """All control routes. `default_model`: that of tasks; `broker`: what keeps them."""
    routes = APIRouter(tags=["control"], default_response_class=Response)

    async def livez() -> Response:
        return _json(Alive())

    async def readyz() -> Response:
        reasons = list(readiness())
        return _json(Ready("not ready" if reasons else "ready", reasons), 503 if reasons else 200)

    async def health() -> Response:
        return _json(health_of(fleet, list(readiness()), version, default_model(), broker()))

    async def whole_health() -> Response:
        whole = api_health(vitals(), fleet, version)
        return _json(whole, 200 if whole.status == "healthy" else 503)

    async def version_() -> Response:
        return _json(Version(version=version, api_version=API_VERSION))

    async def exposition() -> Response:
        body, content_type = metrics()
        # As it is, without starlette's own charset.
        return Response(body, headers={"content-type": content_type, **NO_STORE})

    def add(
        path: str, endpoint: Callable[..., object], summary: str, responses: dict[int | str, dict[str, Any]]
    ) -> None:
        routes.add_api_route(
            path,
            endpoint,
            summary=summary,
            operation_id=f"get_{path.strip('/').replace('/', '_')}",
            responses=responses,
        )

    ready = {"content": json_of(Ready)}
    add("/livez", livez, "Whether the process is up", _answer("It is.", Alive))
    add(
        "/readyz",
        readyz,
        "Whether requests should be sent here",
        {200: {"description": "Ready.", **ready}, 503: {"description": "Not ready, and why.", **ready}},
    )
    add("/health", health, "How the gateway is, for people and monitors", _answer("Healthy or degraded.", Health))
    whole = {"content": json_of(ApiHealth)}
    add(
        "/api/health",
        whole_health,
        "How the gateway and its parts are",
        {200: {"description": "All are well.", **whole}, 503: {"description": "One is down.", **whole}},
    )
    add("/version", version_, "Which Remuda this is", _answer("Its version.", Version))
    text = {"text/plain": {"schema": {"type": "string"}}}
    add("/metrics", exposition, "Metrics for Prometheus", {200: {"description": "All metrics.", "content": text}})
    return routes


def health_of(
    fleet: Fleet, reasons: list[str], version: str, default_model: str | None = None, broker: Broker | None = None
) -> Health:
    """How the gateway is. A model that is not loaded is no illness: it is loaded when it is asked for."""
    broker = broker or Broker()
    reasons = reasons if broker.is_redis_up else [*reasons, REDIS_AWAY]
    active = [replica for replica in fleet.replicas() if replica.is_routable]
    return Health(
        status="degraded" if reasons else "healthy",
        version=version,
        redis_connected=broker.is_connected,
        broker=broker.kind,
        model=default_model,
        model_loaded=bool(active),
        backend=", ".join(sorted({replica.engine.kind for replica in active})),
        available_models=[model.name for model in fleet.offered()],
        reasons=reasons,
    )


def _answer(description: str, struct: type) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": json_of(struct)}}


def _json(struct: msgspec.Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(struct), status, media_type="application/json", headers=NO_STORE)
