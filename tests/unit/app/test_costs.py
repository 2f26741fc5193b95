"""Prices and budgets reach what goes the way, and leave it."""

from datetime import UTC, time

import httpx
import msgspec
import pytest

from remuda.app.alerting import CHANNEL
from remuda.app.costs import bare_parts, cloud_price_of, tariff_of
from remuda.app.settings.insight import InsightSettings
from remuda.core.ask import Ask, Operation
from remuda.core.budget import BudgetTerms, Period
from remuda.core.energy import Tariff, TariffHours
from remuda.core.faults import BudgetExceeded
from remuda.core.keys import LOCAL_CALLER
from remuda.core.money import NANO, Price
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import running_gateway


async def test_nothing_is_reckoned_and_limited_while_nothing_costs(tmp_path):
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        costs = gateway.remuda.costs
        recorders = gateway.remuda.recorder, gateway.remuda.durable.inside._pipeline._recorder
        assert [recorder.reckon for recorder in recorders] == [None, None]
        assert costs._way.limiter.reserve is None
        made = await costs.prices.set("fake", Price(1))
        budget = await costs.budgets.add(BudgetTerms("b", Period.DAILY, 1, is_hard=True))
        assert None not in [recorder.reckon for recorder in recorders]
        assert costs._way.limiter.reserve is not None
        await costs.prices.end(made.id)
        await costs.budgets.remove(budget.id)
        assert [recorder.reckon for recorder in recorders] == [None, None]
        assert costs._way.limiter.reserve is None


@pytest.mark.parametrize(
    ("operation", "max_tokens", "choices", "tokens"),
    [
        (Operation.CHAT, 10, 1, 10),
        (Operation.CHAT, 10, 3, 30),
        (Operation.CHAT, None, 1, 1024),
        (Operation.CHAT, -1, 1, 1024),
        (Operation.EMBEDDING, None, 1, 0),
        (Operation.COUNT_TOKENS, None, 1, None),
    ],
)
async def test_how_much_is_set_aside(tmp_path, operation, max_tokens, choices, tokens):
    body = b"x" * 400
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        costs = gateway.remuda.costs
        await costs.prices.set("*", Price(1000, 1000))
        limiter = costs._way.limiter
        ask = Ask(operation, "fake", False, False, choices, body, told=("", None, max_tokens))
        covered = 100 + (tokens or 0)
        budget = await costs.budgets.add(BudgetTerms("b", Period.DAILY, covered, is_hard=True))
        with limiter.grant(LOCAL_CALLER, ask, {}):
            pass
        await costs.budgets.change(budget.id, BudgetTerms("b", Period.DAILY, covered - 1, is_hard=True))
        if tokens is None:
            with limiter.grant(LOCAL_CALLER, ask, {}):
                pass
        else:
            with pytest.raises(BudgetExceeded):
                limiter.grant(LOCAL_CALLER, ask, {})


async def test_what_is_said_of_an_alias_is_told_of_its_model(tmp_path):
    models = {"aliases": {"fast": "fake", "any": ["fake", "other"]}}
    async with (
        FakeUpstream() as fake,
        running_gateway(tmp_path, upstreams=[{"url": fake.url}], models=models) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        price = {"cost_per_1k_output_tokens": 1}
        made = await client.post("/api/cost-settings", json={"model_name": "fast", **price})
        assert made.json()["model_name"] == "fake"
        refused = await client.post("/api/cost-settings", json={"model_name": "any", **price})
        assert refused.status_code == 400
        assert "fake, other" in refused.json()["detail"]
        ask = {"model": "fast", "messages": [{"role": "user", "content": "Hi"}]}
        assert (await client.post("/v1/chat/completions", json=ask)).status_code == 200
        [record] = await gateway.records()
        told = (await client.get("/api/cost-analysis")).json()["cost_breakdown"]
        assert {name: spent["estimated_cost"] for name, spent in told.items()} == {"fake": record.cost_nano / NANO}
        assert record.cost_nano > 0


async def test_that_a_budget_is_used_is_counted_and_told_on_the_bus(tmp_path):
    async with (
        FakeUpstream() as fake,
        running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        costs = gateway.remuda.costs
        await costs.prices.set("*", Price(10**12, 10**12))
        with gateway.remuda.fanout.subscribe(CHANNEL) as told:
            await costs.budgets.add(BudgetTerms("b", Period.DAILY, 1))
            ask = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}
            await client.post("/v1/chat/completions", json=ask)
            messages = [msgspec.json.decode(await anext(told)) for _ in range(3)]
        assert {(each["type"], each["data"]["percent"]) for each in messages} == {
            ("budget.crossed", percent) for percent in (70, 90, 100)
        }
        assert 'remuda_budget_events_total{percent="70"} 1.0' in (await client.get("/metrics")).text


class StandIn:
    """A meter of a machine that always draws the same."""

    def watts(self) -> float | None:
        return 3_600_000.0


@pytest.mark.engine
async def test_what_this_machines_engines_draw_is_shared_by_those_they_work_for(tmp_path):
    async with running_gateway(tmp_path, insight={"energy_price": 0.5}) as gateway:
        remuda = gateway.remuda
        await remuda.warm_up()
        remuda.costs.measure(StandIn(), remuda.tasks)
        energy = remuda.costs._energy
        await gateway.until(lambda: energy._told_at > 0, "the meter has told")
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
            ask = {"model": "remuda-tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
            answer = await client.post("/v1/chat/completions", json=ask)
            assert answer.status_code == 200
        [record] = await gateway.records()
        assert 0 < record.energy_j <= 3.6e6 * record.duration_s
        assert record.cost_nano == pytest.approx(record.energy_j / 3.6e6 * 0.5 * NANO, abs=200)


def test_what_it_had_cost_elsewhere():
    assert cloud_price_of(InsightSettings()) is None
    settings = InsightSettings(cloud_input_price=0.1, cloud_output_price=0.6)
    assert cloud_price_of(settings) == Price(100_000_000, 600_000_000)


def test_what_energy_costs():
    assert tariff_of(InsightSettings()) is None
    night = {"begins": "22:00", "ends": "06:00", "price": 0.1}
    settings = InsightSettings(energy_price=0.3, tariff=[night])
    hours = (TariffHours(time(22), time(6), 100_000_000),)
    made = tariff_of(settings)
    assert made is not None
    assert (made.kwh_nano, tuple(made.hours), made.zone) == (300_000_000, hours, UTC)
    assert isinstance(made, Tariff)


def test_without_anything_behind_it_there_is_something_to_describe():
    assert bare_parts()
