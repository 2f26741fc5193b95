"""What watches a server, made of settings."""

from pathlib import Path

import pytest

from remuda.app.settings import HealthSettings, UpstreamSettings
from remuda.app.upstreams import UpstreamMaker
from remuda.fleet.registry import Fleet
from remuda.testing.clock import FakeClock
from remuda.testing.upstream import FakeUpstream


async def test_all_that_is_set_reaches_the_replicas() -> None:
    fleet = Fleet()
    async with FakeUpstream(api_key="sk-1") as fake:
        settings = UpstreamSettings(
            url=fake.url, name="box", api_key="sk-1", slots=3, weight=2, ttft_timeout_s=7, drain=True
        )
        upstream = UpstreamMaker(HealthSettings(), FakeClock(), fleet.apply, lambda slots, name: None).made(
            settings, is_given=True
        )
        await upstream.source.ask()
        await upstream.client.close()
    [replica] = fleet.replicas()
    assert (replica.id, replica.slots.size, replica.weight, replica.state) == ("box/fake", 3, 2, "draining")
    assert replica.deadlines.answer_s == 7
    assert replica.address.is_given
    assert replica.headers == ((b"Authorization", b"Bearer sk-1"),)


def test_certificates_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    settings = UpstreamSettings(url="https://127.0.0.1:1", ca_file=tmp_path / "ca.pem")
    maker = UpstreamMaker(HealthSettings(), FakeClock(), lambda change: None, lambda slots, name: None)
    with pytest.raises(OSError, match=r"."):
        maker.made(settings)
