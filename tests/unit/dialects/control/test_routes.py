import pytest

from remuda.dialects.control.routes import REDIS_AWAY, Broker
from remuda.fleet.replica import ReplicaState
from tests.fixtures.asgi import client, fleet_of, parts, replica

REASONS = ["the store does not answer", "no model is known"]


async def test_process_that_answers_is_alive():
    async with client(parts(readiness=lambda: REASONS)) as caller:
        answer = await caller.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
    assert answer.headers["cache-control"] == "no-store"


async def test_readiness_says_why_not():  # row 56
    async with client(parts(readiness=lambda: REASONS)) as caller:
        answer = await caller.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready", "reasons": REASONS})
    async with client() as caller:
        answer = await caller.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "reasons": []})


@pytest.mark.parametrize("keyed", [False, True])
async def test_health_has_the_documents_fields(keyed):  # rows 49, 56, C2
    fleet = fleet_of(replica("one"), replica("two", state=ReplicaState.STANDBY), offered=["three"])
    async with client(parts(fleet=fleet, keyed=keyed)) as caller:
        answer = await caller.get("/health")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": "healthy",
            "version": "1.2.3",
            "redis_connected": True,
            "broker": "store",
            "model": None,
            "model_loaded": True,
            "backend": "llama.cpp",
            "available_models": ["one", "three", "two"],
            "reasons": [],
        },
    )


async def test_health_is_degraded_where_the_gateway_is_not_ready():
    async with client(
        parts(fleet=fleet_of(), readiness=lambda: REASONS, broker=lambda: Broker(is_store_up=False))
    ) as caller:
        answer = await caller.get("/health")
    assert answer.status_code == 200
    assert answer.json() | {"version": ""} == {
        "status": "degraded",
        "version": "",
        "redis_connected": False,
        "broker": "store",
        "model": None,
        "model_loaded": False,
        "backend": "",
        "available_models": [],
        "reasons": REASONS,
    }


async def test_health_tells_of_a_redis_that_is_away():
    broker = Broker("store+redis", is_redis_up=False)
    async with client(parts(fleet=fleet_of(replica("one")), broker=lambda: broker)) as caller:
        health = (await caller.get("/health")).json()
        ready = await caller.get("/readyz")
    assert (health["status"], health["redis_connected"], health["broker"]) == ("degraded", False, "store+redis")
    assert health["reasons"] == [REDIS_AWAY]
    assert ready.status_code == 200  # requests are answered all the same


async def test_model_that_is_not_loaded_is_no_illness():
    async with client(parts(fleet=fleet_of(offered=["later"]))) as caller:
        health = (await caller.get("/health")).json()
    assert (health["status"], health["model_loaded"]) == ("healthy", False)


async def test_version_is_said():
    async with client() as caller:
        answer = await caller.get("/version")
    assert answer.json() == {"name": "Remuda", "version": "1.2.3", "api_version": "v1.0.0"}


async def test_metrics_come_as_they_are_written():  # row 57
    kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    async with client(parts(keyed=True, metrics=lambda: (b"up 1\n", kind))) as caller:
        answer = await caller.get("/metrics")
    assert (answer.content, answer.headers["content-type"]) == (b"up 1\n", kind)
