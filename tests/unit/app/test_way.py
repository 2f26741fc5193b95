"""The request's way for clients and from inside: one set of slots, one set of requests under way."""

from pathlib import Path

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import running_gateway


async def test_both_ways_share_what_is_under_way(tmp_path: Path) -> None:
    async with FakeUpstream() as fake, running_gateway(tmp_path, upstreams=[{"url": fake.url}]) as gateway:
        remuda = gateway.remuda
        pipeline = remuda.durable.inside._pipeline
        assert pipeline.live is remuda.gateway.live
        assert pipeline is not remuda.gateway._pipeline
        assert pipeline._router is remuda.gateway._pipeline._router
        assert pipeline._settler is remuda.gateway._pipeline._settler
