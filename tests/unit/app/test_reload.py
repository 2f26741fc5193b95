"""A settings file that changes."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remuda.app.reload import EVERY_S, changes, watch_settings
from remuda.app.settings import Settings, load
from remuda.testing.clock import FakeClock
from remuda.testing.gate import Signal


class Watch:
    """A watched file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.clock = FakeClock()
        self.told: list[Settings] = []
        self.signal = Signal()

    def taken_in(self, settings: Settings) -> None:
        self.told.append(settings)
        self.signal.changed()

    async def says(self, text: str) -> None:
        """Replace the file as editors do, and let time pass."""
        await self.clock.asleep()  # until then it may still be reading what the file said before
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text)
        await self.clock.asleep()  # what the file said before has been read
        os.replace(fresh, self.file)
        await self.clock.advance(EVERY_S)

    async def has_told(self, n: int) -> None:
        await self.signal.until(lambda: len(self.told) >= n, lambda: f"{n} changes", 10.0)


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    file = tmp_path / "remuda.yaml"
    file.write_text("upstreams: [{url: 'http://one'}]\n")
    held = Watch(file)
    settings = load(file, environ={}, folder=tmp_path)
    running = asyncio.ensure_future(watch_settings(settings, held.clock, held.taken_in))
    yield held
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def urls(settings: Settings) -> list[str]:
    return [each.url for each in settings.upstreams]


async def test_what_the_file_newly_says_of_upstreams_is_taken_in(watch: Watch) -> None:
    await watch.says("upstreams: [{url: 'http://one'}, {url: 'http://two'}]\n")
    await watch.has_told(1)
    await watch.says("upstreams: []\n")
    await watch.has_told(2)
    assert [urls(each) for each in watch.told] == [["http://one", "http://two"], []]


async def test_what_the_file_newly_says_of_aliases_is_taken_in(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    one = "upstreams: [{url: 'http://one'}]"
    await watch.says(f"{one}\nmodels: {{aliases: {{smart: [big, small]}}}}\n")
    await watch.has_told(1)
    await watch.says(f"{one}\nmodels: {{aliases: {{smart: small}}, defaults: {{small: {{top_p: 0.5}}}}}}\n")
    await watch.has_told(2)
    assert [each.models.chains for each in watch.told] == [{"smart": ("big", "small")}, {"smart": ("small",)}]
    assert "for models.defaults the gateway has to be started again" in caplog.text
    assert "for models.aliases" not in caplog.text


@pytest.mark.parametrize("upstream", ["{url: 'http://one', slots: many}", "{url: 'http://169.254.169.254'}"])
async def test_a_file_with_a_mistake_changes_nothing_and_says_where_it_is(
    watch: Watch, caplog: pytest.LogCaptureFixture, upstream: str
) -> None:
    await watch.says(f"upstreams:\n  - {upstream}\n")
    await watch.says("upstreams: [{url: 'http://three'}]\n")
    await watch.has_told(1)
    assert [urls(each) for each in watch.told] == [["http://three"]]
    assert "remuda.yaml:2" in caplog.text


async def test_what_needs_a_restart_is_said(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    await watch.says("server: {port: 9000}\nupstreams: [{url: 'http://two'}]\n")
    await watch.has_told(1)
    assert "for server.port the gateway has to be started again" in caplog.text


async def test_a_file_that_is_gone_for_a_moment_changes_nothing(watch: Watch) -> None:
    watch.file.unlink()
    await watch.clock.asleep()
    await watch.clock.advance(EVERY_S)
    await watch.says("upstreams: [{url: 'http://back'}]\n")
    await watch.has_told(1)
    assert [urls(each) for each in watch.told] == [["http://back"]]


async def test_without_a_file_there_is_nothing_to_watch() -> None:
    await watch_settings(Settings(), FakeClock(), lambda settings: None)


def test_changes_are_named() -> None:
    old = Settings(server={"port": 1})
    new = Settings(server={"port": 2}, upstreams=[{"url": "http://one"}], models={"aliases": {"a": "b"}})
    assert changes(old, new) == {"server.port", "upstreams", "models.aliases"}
    assert changes(old, old) == set()
