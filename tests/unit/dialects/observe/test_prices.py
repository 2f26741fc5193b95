"""`/api/cost-settings`, as the document has it and beyond."""

from collections.abc import AsyncIterator

import httpx
import pytest

from remuda.core.faults import InvalidRequest
from remuda.dialects.observe.prices import PriceRoutes
from remuda.insight.prices import Prices
from remuda.store import open_store
from remuda.testing.clock import FakeClock
from tests.fixtures.asgi import client, parts

SETTINGS = "/api/cost-settings"
SENT = {
    "model_name": "llama2",
    "cost_per_1k_input_tokens": "0.001",
    "cost_per_1k_output_tokens": "0.002",
    "electricity_cost_per_hour": "0.50",
}
ROW = {
    "id": 1,
    "model_name": "llama2",
    "cost_per_1k_input_tokens": 0.001,
    "cost_per_1k_output_tokens": 0.002,
    "cost_per_1k_cached_tokens": None,
    "electricity_cost_per_hour": 0.5,
    "created_at": "2025-01-17T10:00:00Z",
    "updated_at": "2025-01-17T10:00:00Z",
}
TEN = 1737108000.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall=TEN)


@pytest.fixture
async def caller(tmp_path, clock) -> AsyncIterator[httpx.AsyncClient]:
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    async with client(parts(observe=[PriceRoutes(Prices(store, clock))])) as asking:
        yield asking
    await store.close()


@pytest.mark.parametrize("how", ["data", "json", "params"])
async def test_the_documents_example(caller, how):
    answer = await caller.post(SETTINGS, **{how: SENT})
    assert (answer.status_code, answer.json()) == (200, ROW)
    assert (await caller.get(SETTINGS)).json() == [ROW]


async def test_an_alias_is_its_model_and_one_of_several_is_refused(tmp_path, clock):
    def one_model(name: str) -> str:
        if name == "any":
            raise InvalidRequest("any is an alias of several models")
        return {"fast": "llama2"}.get(name, name)

    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    async with client(parts(observe=[PriceRoutes(Prices(store, clock), one_model)])) as caller:
        assert (await caller.post(SETTINGS, data=SENT | {"model_name": "fast"})).json() == ROW
        refused = await caller.post(SETTINGS, data=SENT | {"model_name": "any"})
        assert (refused.status_code, refused.json()) == (400, {"detail": "any is an alias of several models"})
        assert (await caller.get(SETTINGS)).json() == [ROW]
    await store.close()


async def test_a_second_time_it_is_changed(caller, clock):
    await caller.post(SETTINGS, data=SENT)
    await clock.advance(60)
    changed = (await caller.post(SETTINGS, json={"model_name": "llama2", "cost_per_1k_input_tokens": 0.1})).json()
    assert changed == ROW | {
        "cost_per_1k_input_tokens": 0.1,
        "cost_per_1k_output_tokens": 0.0,
        "electricity_cost_per_hour": 0.0,
        "updated_at": "2025-01-17T10:01:00Z",
    }
    shown = (await caller.get(f"{SETTINGS}/1")).json()
    assert [(past["cost_per_1k_input_tokens"], past["valid_until"]) for past in shown["history"]] == [
        (0.1, None),
        (0.001, "2025-01-17T10:01:00Z"),
    ]


async def test_by_its_number(caller):
    await caller.post(SETTINGS, data=SENT)
    changed = (await caller.patch(f"{SETTINGS}/1", json={"cost_per_1k_cached_tokens": 0.0001})).json()
    assert (changed["cost_per_1k_cached_tokens"], changed["cost_per_1k_input_tokens"]) == (0.0001, 0.001)
    replaced = (await caller.put(f"{SETTINGS}/1", data={"cost_per_1k_output_tokens": "7"})).json()
    assert [replaced[name] for name in list(ROW)[2:6]] == [0.0, 7.0, None, 0.0]
    assert (await caller.delete(f"{SETTINGS}/1")).status_code == 204
    assert (await caller.get(SETTINGS)).json() == []
    for answer in (
        await caller.get(f"{SETTINGS}/1"),
        await caller.put(f"{SETTINGS}/1", data=SENT),
        await caller.patch(f"{SETTINGS}/1", data=SENT),
        await caller.delete(f"{SETTINGS}/1"),
        await caller.delete(f"{SETTINGS}/one"),
    ):
        assert (answer.status_code, answer.json()) == (404, {"detail": "Cost settings not found"})


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({}, "model_name"),
        ({"model_name": ""}, "model_name"),
        ({"model_name": "x" * 201}, "model_name"),
        *[
            ({"model_name": "m", "electricity_cost_per_hour": price}, "electricity_cost_per_hour")
            for price in ("-0.01", "nan", "inf", "1e400", "1000001", "free", "1_000", "1e-12")
        ],
    ],
)
async def test_what_is_wrong_is_named(caller, sent, named):
    answer = await caller.post(SETTINGS, data=sent)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]
    assert (await caller.get(SETTINGS)).json() == []


async def test_a_change_of_nothing_is_none(caller):
    await caller.post(SETTINGS, data=SENT)
    answer = await caller.patch(f"{SETTINGS}/1", json={"cost": 5})
    assert answer.status_code == 400
    assert "nothing to change" in answer.json()["detail"]


async def test_whoever_may_not_manage_may_not_set_prices(tmp_path, clock):
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    made = parts(keyed=True, observe=[PriceRoutes(Prices(store, clock))])
    async with client(made, scope="read") as asking:
        assert (await asking.get(SETTINGS)).status_code == 200
        assert (await asking.post(SETTINGS, data=SENT)).status_code == 403
    await store.close()


async def test_with_nothing_behind_them(caller):
    async with client(parts(observe=[PriceRoutes()])) as asking:
        assert (await asking.get(SETTINGS)).status_code == 503
