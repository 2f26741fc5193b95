"""The routes without anything behind them; with real nodes they are tried in `tests/acceptance/test_proxy_api.py`."""

import pytest

from remuda.core.keys import Scope
from tests.fixtures.asgi import client, parts


async def test_an_empty_herd() -> None:
    async with client() as caller:
        assert (await caller.get("/api/proxy")).text == "Ollama is running"
        assert (await caller.get("/api/proxy/nodes")).json() == {
            "count": 0,
            "next": None,
            "previous": None,
            "results": [],
        }
        assert (await caller.get("/api/proxy/state")).json()["active"] == []
        assert (await caller.post("/api/proxy/pull", json={"model": "m"})).status_code == 404
        assert (await caller.get("/api/proxy/nothing")).json() == {"error": "There is nothing at this address."}


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", "/api/proxy", {Scope.READ, Scope.INFERENCE}),
        ("GET", "/api/proxy/state", {Scope.READ, Scope.INFERENCE}),
        ("GET", "/api/proxy/active-requests", {Scope.READ, Scope.INFERENCE}),
        ("GET", "/api/proxy/queue", {Scope.READ}),
        ("GET", "/api/proxy/config", {Scope.READ}),
        ("PUT", "/api/proxy/config", {Scope.MANAGE}),
        ("GET", "/api/proxy/nodes", {Scope.READ}),
        ("POST", "/api/proxy/nodes", {Scope.MANAGE}),
        ("PATCH", "/api/proxy/nodes/1", {Scope.MANAGE}),
        ("DELETE", "/api/proxy/nodes/1", {Scope.MANAGE}),
        ("POST", "/api/proxy/pull", {Scope.MANAGE}),
    ],
)
async def test_who_may(method: str, path: str, scopes: set[Scope]) -> None:
    for scope in Scope:
        async with client(parts(keyed=True), scope=scope) as caller:
            answer = await caller.request(method, path, json={})
            assert (answer.status_code != 403) is (scope in scopes | {Scope.ADMIN}), scope
