"""What watches a server, made of settings."""

from pathlib import Path

import pytest

from remuda.app.settings import HealthSettings, UpstreamSettings
from remuda.app.upstreams import UpstreamMaker
from remuda.fleet.registry import Fleet
from remuda.fleet.replica import Slots
from remuda.testing.clock import FakeClock
from remuda.testing.upstream import FakeUpstream


async def test_all_that_is_set_reaches_the_replicas() -> None:
    fleet = Fleet()
    async with FakeUpstream(api_key="sk-1") as fake:
        settings = UpstreamSettings(
            url=fake.url, name="box", api_key="sk-1", slots=3, weight=2, ttft_timeout_s=7, drain=True
        )
        upstream = UpstreamMaker(HealthSettings(), FakeClock(), fleet.apply, lambda slots, name: None).made(settings)
        await upstream.source.ask()
        await upstream.client.close()
    [replica] = fleet.replicas()
    assert (replica.id, replica.slots.size, replica.weight, replica.state) == ("box/fake", 3, 2, "draining")
    assert replica.deadlines.answer_s == 7
    assert replica.address.is_given
    assert replica.headers == ((b"Authorization", b"Bearer sk-1"),)


async def test_slots_that_are_handed_on_keep_their_count_and_grow_only_by_what_the_server_allows() -> None:
    held = Slots(2)
    held.in_use = 2
    maker = UpstreamMaker(HealthSettings(), FakeClock(), Fleet().apply, lambda slots, name: None)
    async with FakeUpstream() as fake:
        more = maker.made(UpstreamSettings(url=fake.url, slots=5), held=held)
        assert (more.source.slots is held, held.size, held.free) == (True, 2, 0)
        await more.source.ask()
        assert (held.size, held.free) == (5, 3)
        fewer = maker.made(UpstreamSettings(url=fake.url, slots=1), held=held)
        assert (fewer.source.slots.size, fewer.source.slots.free) == (1, 0)
        await more.client.close()
        await fewer.client.close()


def test_certificates_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    settings = UpstreamSettings(url="https://127.0.0.1:1", ca_file=tmp_path / "ca.pem")
    maker = UpstreamMaker(HealthSettings(), FakeClock(), lambda change: None, lambda slots, name: None)
    with pytest.raises(OSError, match=r"."):
        maker.made(settings)
