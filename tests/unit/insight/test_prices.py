"""What requests cost at the prices in force."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from remuda.core.money import NANO, Price
from remuda.core.usage import Usage
from remuda.insight.prices import Prices
from remuda.store import Store, open_store
from remuda.testing.clock import FakeClock


@dataclass
class Request:
    model: str = "llama2"
    replica: str = "one/llama2"
    usage: Usage = field(default_factory=lambda: Usage(1000, 2000, 500))
    queue_wait_s: float = 0.0


@pytest.fixture
async def store(tmp_path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    yield opened
    await opened.close()


@pytest.fixture
def prices(store) -> Prices:
    return Prices(store, FakeClock())


async def test_what_was_used_is_charged(prices):
    assert not prices
    assert prices.cost_nano(Request(), 10.0) == (0, 0)
    await prices.set("llama2", Price(10, 20, electricity_nano=NANO))
    assert prices
    assert prices.cost_nano(Request(), 0.0) == (10 + 40, 0)
    assert prices.cost_nano(Request(), 36.0) == (50 + NANO // 100, NANO // 100)
    assert prices.cost_nano(Request(queue_wait_s=18.0), 36.0) == (50 + NANO // 200, NANO // 200)
    assert prices.cost_nano(Request(replica="", usage=Usage()), 36.0) == (0, 0)
    assert prices.cost_nano(Request(model="another"), 36.0) == (0, 0)


async def test_what_was_measured_takes_the_place_of_the_price_for_an_hour(prices):
    await prices.set("llama2", Price(10, 20, electricity_nano=NANO))
    assert prices.cost_nano(Request(), 36.0, 7) == (57, 7)
    assert prices.cost_nano(Request(), 36.0, 0) == (50, 0)
    assert prices.cost_nano(Request(model="another"), 36.0, 7) == (7, 7)


async def test_cached_tokens_may_have_a_price_of_their_own(prices):
    await prices.set("llama2", Price(10, 0, 2))
    assert prices.cost_nano(Request(), 0.0) == (5 + 1, 0)


async def test_what_a_request_may_cost_is_also_its_time_at_the_pace_of_the_last_ones(store):
    prices = Prices(store, FakeClock(), tokens_per_second=100.0)
    assert prices.estimate_nano("llama2", 4000, 100) == 0
    await prices.set("llama2", Price(10, 20, electricity_nano=3600 * NANO))
    assert prices.estimate_nano("llama2", 4000, 100) == 10 + 2 + NANO
    assert prices.estimate_nano("llama2", 4000, 0) == 10
    prices.cost_nano(Request(usage=Usage(0, 100), queue_wait_s=1.0), 3.0)
    assert prices.estimate_nano("llama2", 0, 100) == 2 + 2 * NANO
    prices.cost_nano(Request(usage=Usage(0, 100)), 10.0)
    assert prices.estimate_nano("llama2", 0, 100) == 2 + 3 * NANO
    prices.cost_nano(Request(usage=Usage()), 1000.0)
    assert prices.estimate_nano("llama2", 0, 100) == 2 + 3 * NANO


async def test_names_with_and_without_latest_are_one_and_a_star_is_for_the_others(prices):
    await prices.set("llama2:latest", Price(3))
    await prices.set("mistral:latest", Price(2))
    await prices.set("llama2", Price(1))
    assert [(each.model, each.price) for each in await prices.all()] == [
        ("llama2", Price(1)), ("mistral:latest", Price(2)),
    ]  # fmt: skip
    assert [prices.of(name) for name in ("llama2", "llama2:latest", "mistral", "qwen")] == [
        Price(1), Price(1), Price(2), None,
    ]  # fmt: skip
    await prices.set("*", Price(9))
    assert prices.of("qwen") == Price(9)
    assert prices.of("llama2") == Price(1)


async def test_who_changes_prices_elsewhere_is_heard(store, prices):
    told = []
    prices.on_change(lambda: told.append(bool(prices)))
    elsewhere = Prices(store, FakeClock())
    made = await elsewhere.set("llama2", Price(1))
    assert not prices
    revision = await prices.renew()
    assert prices.of("llama2") == Price(1)
    assert await prices.renew() == revision
    await elsewhere.change(made.id, Price(2))
    await elsewhere.end(made.id)
    await prices.renew()
    assert told == [True, False]


async def test_history(prices):
    made = await prices.set("llama2", Price(1))
    await prices.change(made.id, Price(2))
    assert [each.price for each in await prices.all()] == [Price(2)]
    assert [each.price for each in await prices.history(made.id)] == [Price(2), Price(1)]
    assert await prices.change(made.id + 1, Price(2)) is None
    assert await prices.end(made.id)
    assert not await prices.end(made.id)
