"""`/api/cost-analysis`: in the document's shape, and what is beside it."""

from collections.abc import AsyncIterator

import pytest

from remuda.core.clock import SystemClock
from remuda.core.keys import Scope
from remuda.core.money import NANO, Price
from remuda.dialects.observe.cost_analysis import CostAnalysisRoutes
from remuda.insight.analytics import Analytics
from remuda.insight.prices import Prices
from remuda.store import Store, open_store
from remuda.store.aside import Aside
from remuda.testing.clock import FakeClock
from tests.contract.store.rollup_cases import add, some_records
from tests.contract.store.samples import NOON, a_record
from tests.fixtures.asgi import client, parts

ANALYSIS = "/api/cost-analysis"
NOTHING = {
    "total_cost": 0.0,
    "cost_breakdown": {},
    "time_period_hours": 24.0,
    "electricity_cost": 0.0,
    "energy_wh": None,
    "cloud_cost": None,
    "is_estimate": False,
    "cost_by_key": {},
    "cost_by_user": {},
}


@pytest.fixture
async def store(tmp_path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    yield opened
    await opened.close()


def asked(store: Store, scope: Scope | None = None, cloud: Price | None = None, prices: Prices | None = None):
    aside = Aside(store, SystemClock(), after_s=None)
    routes = CostAnalysisRoutes(Analytics(aside), prices, lambda: NOON + 3600, cloud)
    return client(parts(observe=[routes], keyed=scope is not None), scope=scope)


async def test_the_whole_shape_where_there_is_nothing(store):
    async with asked(store) as asking:
        assert (await asking.get(ANALYSIS)).json() == NOTHING


async def test_what_was_spent_by_model_key_and_user(store):
    await add(
        store,
        [
            a_record(1, model="llama2", key_id="k", user_id="mia", cost_nano=NANO, duration_s=1.0, energy_j=3600.0),
            a_record(2, model="llama2", key_id="k", cost_nano=NANO // 2, electricity_nano=NANO // 4, duration_s=2.0),
            a_record(3, model="mistral", cost_nano=0, duration_s=4.0, energy_j=1800.0),
            a_record(4, model="", status=404, fault="model_not_found", prompt_tokens=0, completion_tokens=0),
            a_record(-90_000, model="llama2", cost_nano=NANO),
        ],
        1,
    )
    prices = Prices(store, FakeClock())
    await prices.set("*", Price(electricity_nano=1))
    async with asked(store, cloud=Price(NANO, 2 * NANO), prices=prices) as asking:
        said = (await asking.get(ANALYSIS, params={"hours": 24})).json()
    assert (said["total_cost"], said["energy_wh"], said["time_period_hours"]) == (1.5, 1.5, 24.0)
    assert said["electricity_cost"] == 0.25
    assert said["cost_breakdown"]["llama2"] == {
        "requests": 2,
        "total_tokens": 92,
        "estimated_cost": 1.5,
        "avg_latency": 1500.0,
        "electricity_cost": 0.25,
        "energy_wh": 1.0,
        "cloud_cost": pytest.approx(2 * (0.012 + 0.068)),
        "is_estimate": True,
    }
    assert said["cost_breakdown"].keys() == {"llama2", "mistral"}
    assert said["cost_breakdown"]["mistral"]["is_estimate"] is False
    assert said["is_estimate"] is True
    assert {name: each["estimated_cost"] for name, each in said["cost_by_key"].items()} == {"k": 1.5, "": 0.0}
    assert {name: each["estimated_cost"] for name, each in said["cost_by_user"].items()} == {"mia": 1.0, "": 0.5}


async def test_the_sum_over_groups_is_the_total(store):
    await add(store, some_records(7, 300, NOON - 5000, 8000), 1)
    async with asked(store) as asking:
        said = (await asking.get(ANALYSIS, params={"hours": 2})).json()
        span = {"from": "2023-11-14T22:00:00Z", "to": "2023-11-14T23:00:00Z"}
        hour = (await asking.get(ANALYSIS, params=span)).json()
    assert said["total_cost"] > hour["total_cost"] > 0
    assert hour["time_period_hours"] == 1.0
    for groups in ("cost_by_key", "cost_by_user"):
        assert sum(each["estimated_cost"] for each in said[groups].values()) == pytest.approx(said["total_cost"])


async def test_who_asked_is_for_who_may_manage(store):
    await add(store, [a_record(1, key_id="k", user_id="u", cost_nano=NANO)], 1)
    async with asked(store, Scope.READ) as asking:
        said = (await asking.get(ANALYSIS)).json()
    assert (said["total_cost"], said["cost_by_key"], said["cost_by_user"]) == (1.0, None, None)


@pytest.mark.parametrize("query", ["hours=0", "hours=many", "from=yesterday", "hours=1&to=2025-01-01"])
async def test_hours_of_nonsense(store, query):
    async with asked(store) as asking:
        answer = await asking.get(f"{ANALYSIS}?{query}")
    assert answer.status_code == 400
    assert answer.json().keys() == {"detail"}


async def test_with_nothing_behind_it():
    async with client(parts(observe=[CostAnalysisRoutes()])) as asking:
        assert (await asking.get(ANALYSIS)).status_code == 503
