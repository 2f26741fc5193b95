"""Document S3's own examples of costs and budgets, on a gateway with a real engine and a real model."""

from pathlib import Path

import httpx
import pytest

from tests.fixtures.gateway import running_gateway

pytestmark = pytest.mark.engine

FORM = {"content-type": "application/x-www-form-urlencoded"}
MODEL = "remuda-tiny"
PRICE = (
    f"model_name={MODEL}&cost_per_1k_input_tokens=0.001&cost_per_1k_output_tokens=0.002&electricity_cost_per_hour=0.50"
)
BUDGET = "name=Monthly AI Budget&budget_type=monthly&amount=100.00"
ASK = {"model": MODEL, "messages": [{"role": "user", "content": "Hello!"}], "temperature": 0.7, "max_tokens": 100}


async def test_rows_122_and_130_to_133(tmp_path: Path) -> None:
    async with (
        running_gateway(tmp_path, insight={"measure_energy": False}) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as client,
    ):
        nothing = (await client.get("/api/cost-analysis")).json()
        assert (nothing["total_cost"], nothing["cost_breakdown"], nothing["time_period_hours"]) == (0, {}, 24)

        price = (await client.post("/api/cost-settings", content=PRICE, headers=FORM)).json()
        assert (await client.get("/api/cost-settings")).json() == [price]
        budget = (await client.post("/api/budgets", content=BUDGET, headers=FORM)).json()
        assert {name: budget[name] for name in ("name", "budget_type", "amount", "current_usage", "is_active")} == {
            "name": "Monthly AI Budget", "budget_type": "monthly", "amount": 100.0, "current_usage": 0.0,
            "is_active": True,
        }  # fmt: skip

        for is_streamed in (False, True):
            answer = await client.post("/v1/chat/completions", json=ASK | {"stream": is_streamed})
            assert answer.status_code == 200
        records = await gateway.records()
        for record in records:
            tokens_nano = record.prompt_tokens * 1000 + record.completion_tokens * 2000
            assert record.cost_nano == tokens_nano + record.electricity_nano
            engine_s = record.duration_s - record.queue_wait_s
            assert record.electricity_nano == pytest.approx(engine_s / 3600 * 0.5e9, abs=2)
            assert not record.tokens_estimated

        total = sum(record.cost_nano for record in records) / 10**9
        said = (await client.get("/api/cost-analysis?hours=24")).json()
        shown = said["cost_breakdown"][MODEL]
        assert (said["total_cost"], said["time_period_hours"]) == (total, 24)
        assert (shown["requests"], shown["estimated_cost"]) == (2, total)
        assert shown["total_tokens"] == sum(each.prompt_tokens + each.completion_tokens for each in records)
        assert shown["avg_latency"] == pytest.approx(sum(each.duration_s for each in records) * 500, abs=0.02)
        [shown] = (await client.get("/api/budgets")).json()
        assert (shown["current_usage"], shown["reset_at"]) == (total, None)
