"""Prices reach what goes the way, and leave it."""

from remuda.app.costs import bare_parts
from remuda.core.money import Price
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import running_gateway


async def test_nothing_is_reckoned_while_nothing_costs(tmp_path):
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        recorders = gateway.remuda.recorder, gateway.remuda.durable.inside._pipeline._recorder
        assert [recorder.reckon for recorder in recorders] == [None, None]
        prices = gateway.remuda.costs.prices
        made = await prices.set("fake", Price(1))
        assert None not in [recorder.reckon for recorder in recorders]
        await prices.end(made.id)
        assert [recorder.reckon for recorder in recorders] == [None, None]


def test_without_anything_behind_it_there_is_something_to_describe():
    assert bare_parts()
