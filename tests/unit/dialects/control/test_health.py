"""`GET /api/health`, in the shape of documents S0 and S4."""

from typing import Any

import pytest

from remuda.fleet.replica import ReplicaState
from tests.fixtures.asgi import WELL, client, fleet_of, parts, replica


@pytest.mark.parametrize("keyed", [False, True])
async def test_all_is_well(keyed: bool):  # rows 16, 153, C1
    fleet = fleet_of(replica("one"), replica("two", state=ReplicaState.STANDBY), offered=["three"])
    async with client(parts(fleet=fleet, keyed=keyed)) as caller:
        answer = await caller.get("/api/health")
        assert (await caller.head("/api/health")).status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": "healthy",
            "timestamp": "2023-11-14T22:13:20Z",
            "services": {
                "proxy": {"status": "healthy", "uptime": 3600, "version": "1.2.3"},
                "llama_server": {"status": "healthy", "models_loaded": 1},
                "database": {"status": "healthy"},
            },
            "system": {"cpu_usage": 45.2, "memory_usage": 67.8, "disk_usage": 46.9},
        },
    )


@pytest.mark.parametrize(
    ("changes", "ill"),
    [
        ({"is_draining": True}, "proxy"),
        ({"has_working_engine": False}, "llama_server"),
        ({"is_store_up": False}, "database"),
    ],
)
async def test_one_service_down_is_said(changes: dict[str, Any], ill: str):  # C1
    async with client(parts(vitals=lambda: WELL._replace(**changes))) as caller:
        answer = await caller.get("/api/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    words = {name: service["status"] for name, service in answer.json()["services"].items()}
    assert words.pop(ill) == "unhealthy"
    assert set(words.values()) == {"healthy"}


async def test_a_model_that_servers_write_in_two_ways_is_one_that_is_loaded():
    async with client(parts(fleet=fleet_of(replica("m"), replica("m:latest")))) as caller:
        answer = await caller.get("/api/health")
    assert answer.json()["services"]["llama_server"]["models_loaded"] == 1


async def test_models_that_are_not_loaded_are_no_illness():
    async with client(parts(fleet=fleet_of(offered=["later"]))) as caller:
        answer = await caller.get("/api/health")
    assert answer.status_code == 200
    assert answer.json()["services"]["llama_server"] == {"status": "healthy", "models_loaded": 0}
