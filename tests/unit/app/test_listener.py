"""The lane and the application behind one real listener."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import httpx
import uvicorn

from remuda.app.asgi import Parts, build_app
from remuda.core.faults import Fault
from remuda.gateway.exchange import Exchange
from remuda.gateway.lane import Lane, LaneLimits
from tests.fixtures.asgi import parts


class Echo:
    """Answers lane requests with their own bodies."""

    def objection(self, exchange: Exchange) -> None:
        """Nothing speaks against any body."""

    def accept(self, exchange: Exchange) -> None:
        exchange.answer(200, b"x-by: lane\r\n", bytes(exchange.body))

    def refuse(self, exchange: Exchange, fault: Fault) -> None:
        exchange.refuse(fault)


@asynccontextmanager
async def listening(made: Parts) -> AsyncIterator[str]:
    """The base URL of a gateway on a port of its own."""
    routes = {route.path: route for route in made.lane_routes}
    lane = Lane(routes, Echo(), made.lane_routes[0], LaneLimits(), monotonic)
    config = uvicorn.Config(
        build_app(made),
        http=lane.protocol,  # type: ignore[arg-type]
        ws="websockets-sansio",
        log_config=None,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Not `serve`: that takes the process's signal handlers, and looks only now and then whether to end.
        await server.startup(sockets=[listener])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            await server.shutdown(sockets=[listener])


async def test_inference_goes_to_the_lane_and_all_else_to_the_application():
    async with listening(parts()) as base, httpx.AsyncClient(base_url=base) as caller:
        assert (await caller.post("/v1/chat/completions", content=b"{}")).headers["x-by"] == "lane"
        wrong = await caller.get("/v1/chat/completions")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
        head = await caller.head("/v1/models")
        assert (head.status_code, head.content) == (200, b"")
        assert (await caller.get("/v1/models")).json()["data"][0]["id"] == "a-model"
        escaped = await caller.post("/v1/%63hat/completions", content=b"{}")
        assert escaped.status_code == 400


async def test_too_large_a_body_is_refused_over_a_socket_and_the_connection_lives_on():
    async with listening(parts(max_body_bytes=1000)) as base, httpx.AsyncClient(base_url=base) as caller:
        refused = await caller.post("/anything", content=b"x" * 200_000)
        assert refused.status_code == 413
        assert (await caller.get("/livez")).status_code == 200


async def test_websocket_without_a_key_is_refused_in_the_handshake():
    async with listening(parts(keyed=True)) as base:
        upgrade = {
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        async with httpx.AsyncClient(base_url=base) as caller:
            answer = await caller.get("/ws/any", headers=upgrade)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "missing_api_key"
        assert answer.headers["x-request-id"] == answer.json()["error"]["request_id"]
