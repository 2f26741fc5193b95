"""Two gateways on one store: a budget holds for both."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import running_gateway
from tests.fixtures.postgres import PostgresServer, private_postgres

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("postgres")]

ASK = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
TOKENS = 100


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with private_postgres() as running:
        yield running


async def test_what_one_spends_the_other_has_not(
    server: PostgresServer, upstream: FakeUpstream, tmp_path: Path
) -> None:
    values = {
        "upstreams": [{"url": upstream.url, "name": "one", "models": ["fake"]}],
        "database_url": server.url(server.new_database()),
    }
    async with (
        running_gateway(tmp_path / "one", **values) as one,
        running_gateway(tmp_path / "two", **values) as two,
        httpx.AsyncClient(base_url=one.url) as first,
        httpx.AsyncClient(base_url=two.url) as second,
    ):
        await first.post("/api/cost-settings", data={"model_name": "fake", "cost_per_1k_output_tokens": "1"})
        budget = {"name": "b", "budget_type": "monthly", "amount": f"{TOKENS / 1000}", "hard_stop": "true"}
        await first.post("/api/budgets", data=budget)
        for gateway in (one, two):
            costs = gateway.remuda.costs
            await gateway.until(lambda costs=costs: costs.prices and costs.budgets.stops, "both know of the budget")
        spent = 0
        for _ in range(5):
            answers = await asyncio.gather(*(first.post("/v1/chat/completions", json=ASK) for _ in range(2)))
            spent += sum(answer.json()["usage"]["completion_tokens"] for answer in answers)
        stop = next(iter(two.remuda.costs.budgets.stops._stops.values()))
        await two.until(lambda: stop.used_nano == spent * 10**6, "the other has seen it")
        answers = await asyncio.gather(*(second.post("/v1/chat/completions", json=ASK) for _ in range(10)))
        served = [answer.json()["usage"]["completion_tokens"] for answer in answers if answer.status_code == 200]
        assert [answer.status_code for answer in answers if answer.status_code != 200] == [429] * (10 - len(served))
        assert len(served) == (TOKENS - spent) // 8
        await two.records()
        await one.records()
        [shown] = (await first.get("/api/budgets")).json()
        assert round(shown["current_usage"] * 1000) == spent + sum(served) <= TOKENS
