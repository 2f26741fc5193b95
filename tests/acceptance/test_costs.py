"""What requests cost, over the sockets: prices as document S3 has them, and what the journal keeps."""

import httpx
import pytest

from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.shared import gateway, started, upstream  # noqa: F401 - fixtures

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
        [record, *_] = await gateway.records()
        paid = usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000
        assert record.cost_nano == paid > 0
        await client.delete(f"/api/cost-settings/{made.json()['id']}")
        await ask(gateway)
        [free, before, *_] = await gateway.records()
        assert (free.cost_nano, before.cost_nano) == (0, paid)


async def test_who_leaves_pays_for_what_came(gateway: RunningGateway, upstream: FakeUpstream):  # noqa: F811
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        made = await client.post("/api/cost-settings", content=PRICE, headers=FORM)
        upstream.behave(fault=Fault.STALL, after_chunks=3)
        async with client.stream("POST", "/v1/chat/completions", json=ASK | {"stream": True}) as answer:
            said = 0
            async for line in answer.aiter_lines():
                said += '"content":"' in line.replace(" ", "")
                if said == 2:
                    break
        await gateway.at_rest()
        [record, *_] = await gateway.records()
        assert (record.status, record.fault, record.tokens_estimated) == (499, "client_gone", True)
        assert record.cost_nano >= record.completion_tokens * 2000 >= 2 * 2000
        await client.delete(f"/api/cost-settings/{made.json()['id']}")
