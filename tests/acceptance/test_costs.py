"""What requests cost, over the sockets: prices as document S3 has them, and what the journal keeps."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from remuda.core.task import TaskState
from remuda.store.tasks import find_task
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.shared import gateway, gateway_before, started, upstream  # noqa: F401 - fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICE = "model_name=fake&cost_per_1k_input_tokens=0.001&cost_per_1k_output_tokens=0.002"
FORM = {"content-type": "application/x-www-form-urlencoded"}
ASK = {"model": "fake", "messages": [{"role": "user", "content": "Hello!"}]}


async def ask(gateway: RunningGateway, **fields) -> httpx.Response:  # noqa: F811
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        return await client.post("/v1/chat/completions", json=ASK | fields)


async def test_a_request_costs_what_it_used_at_the_price_of_its_time(gateway: RunningGateway):  # noqa: F811
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        made = await client.post("/api/cost-settings", content=PRICE, headers=FORM)
        assert made.status_code == 200
        usage = (await ask(gateway)).json()["usage"]
        [record, *earlier] = await gateway.records()
        paid = usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000
        assert record.cost_nano == paid > 0
        analysis = (await client.get("/api/cost-analysis?hours=24")).json()
        assert analysis["time_period_hours"] == 24
        total = paid + sum(each.cost_nano for each in earlier)
        assert analysis["cost_breakdown"]["fake"]["estimated_cost"] == analysis["total_cost"] == total / 10**9
        await client.delete(f"/api/cost-settings/{made.json()['id']}")
        await ask(gateway)
        [free, before, *_] = await gateway.records()
        assert (free.cost_nano, before.cost_nano) == (0, paid)


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_who_leaves_pays_for_what_came(tmp_path, is_streamed: bool):
    async with (
        FakeUpstream(speaks="llama.cpp") as upstream,  # noqa: F811
        gateway_before(upstream, data_dir=tmp_path) as gateway,  # noqa: F811
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        await client.post("/api/cost-settings", content=PRICE, headers=FORM)
        upstream.gate.hold(after_chunks=3)
        asking = client.post("/v1/chat/completions", json=ASK | {"stream": is_streamed})
        asked = asyncio.get_running_loop().create_task(asking)
        live = gateway.remuda.gateway.live
        await gateway.until(lambda: any(each.first_content_at for each in live), "something of the answer has come")
        asked.cancel()
        await asyncio.wait([asked])
        await gateway.at_rest()
        [record] = await gateway.records()
        assert (record.status, record.fault, record.tokens_estimated) == (499, "client_gone", True)
        assert record.completion_tokens > 0
        assert record.cost_nano == record.prompt_tokens * 1000 + record.completion_tokens * 2000
        assert record.prompt_tokens == record.bytes_in // 4 > 0
        upstream.gate.release()


@contextlib.asynccontextmanager
async def budgeted(gateway: RunningGateway, amount: str, **terms) -> AsyncIterator[httpx.AsyncClient]:  # noqa: F811
    """A client of a gateway whose budget, with a hard stop, is so much: a token costs a thousandth."""
    price = {"model_name": "fake", "cost_per_1k_input_tokens": "0", "cost_per_1k_output_tokens": "1"}
    budget = {"name": "small", "budget_type": "daily", "amount": amount, "hard_stop": "true"} | terms
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        priced = (await client.post("/api/cost-settings", data=price)).json()
        made = (await client.post("/api/budgets", data=budget)).json()
        yield client
        await client.delete(f"/api/budgets/{made['id']}")
        await client.delete(f"/api/cost-settings/{priced['id']}")


ASKS = {
    "/v1/chat/completions": ASK | {"max_tokens": 100},
    "/v1/responses": {"model": "fake", "input": "Hello!", "max_output_tokens": 100},
    "/v1/messages": ASK | {"max_tokens": 100},
    "/api/chat": ASK | {"options": {"num_predict": 100}},
    "/api/generate": {"model": "fake", "prompt": "Hello!", "options": {"num_predict": 100}},
}


@pytest.mark.parametrize("path", ASKS)
async def test_what_a_budget_does_not_cover_is_refused_in_every_dialect(gateway: RunningGateway, path: str):  # noqa: F811
    before = len(await gateway.records())
    async with budgeted(gateway, "0.05", model_name="fake") as client:
        answer = await client.post(path, json=ASKS[path])
        assert answer.status_code == 429
        assert "the budget 'small' does not cover this request; it begins anew at " in answer.text
        assert 0 < int(answer.headers["retry-after"]) <= 86_400
        [record, *others] = await gateway.records()
        assert len(others) == before
        assert (record.status, record.fault, record.cost_nano, record.attempts) == (429, "budget_exceeded", 0, 0)


async def test_requests_side_by_side_do_not_overshoot(gateway: RunningGateway, upstream: FakeUpstream):  # noqa: F811
    """Eight tokens each: what is reserved is given back as far as it was not used."""
    async with budgeted(gateway, "0.1", budget_type="monthly") as client:
        [start] = [each["current_usage"] for each in (await client.get("/api/budgets")).json()]
        left = 100 - round(start * 1000)
        ask = ASK | {"max_tokens": 8}
        answers = await asyncio.gather(*(client.post("/v1/chat/completions", json=ask) for _ in range(40)))
        served = [answer.status_code for answer in answers].count(200)
        used = sum(answer.json()["usage"]["completion_tokens"] for answer in answers if answer.status_code == 200)
        assert 0 < used <= left
        assert served * 8 <= left
        records = await gateway.records()
        assert sum(record.cost_nano for record in records[:40]) == used * 10**6
        [budget] = (await client.get("/api/budgets")).json()
        assert round(budget["current_usage"] * 1000) == round(start * 1000) + used


async def test_a_task_waits_for_its_budget(gateway: RunningGateway):  # noqa: F811
    async with budgeted(gateway, "0.001") as client:
        task_id = (await client.post("/generate", json={"prompt": "Hello!"})).json()["task_id"]
        async with asyncio.timeout(20):
            task = None
            while task is None or task.state is not TaskState.DELAYED:
                task = await find_task(gateway.remuda.store, task_id)
        assert (task.error_type, task.attempts) == ("budget_exceeded", 0)
        await client.delete(f"/task/{task_id}")


async def test_what_is_used_survives_a_restart(tmp_path, upstream: FakeUpstream):  # noqa: F811
    upstreams = [{"url": upstream.url, "name": "one"}]
    async with running_gateway(tmp_path, upstreams=upstreams) as first:
        await first.until(lambda: first.remuda.fleet.look_up("fake") is not None, "the model is known")
        async with httpx.AsyncClient(base_url=first.url) as client:
            await client.post("/api/cost-settings", content=PRICE, headers=FORM)
            await client.post("/api/budgets", data={"name": "b", "budget_type": "monthly", "amount": "0.00001"})
        await ask(first)
    async with running_gateway(tmp_path, upstreams=upstreams) as second:
        [record] = await second.records()
        async with httpx.AsyncClient(base_url=second.url) as client:
            [budget] = (await client.get("/api/budgets")).json()
        assert round(budget["current_usage"] * 10**9) == record.cost_nano > 0
