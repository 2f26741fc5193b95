"""Two gateways that tell each other what goes on with tasks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from remuda.jobs.live import Live
from remuda.jobs.live_together import AGAIN_S, CHANNEL, MAX_WANTED, WANTED_S, LiveTogether, Reached, Watched, encode
from remuda.jobs.pace import Paces
from remuda.telemetry.fanout import MemoryFanout
from remuda.testing.clock import FakeClock

TURNS = 20


async def settle() -> None:
    """Let messages arrive: they go no further than through this process."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


@dataclass
class Pair:
    """`here` is where tasks run, `there` where they are watched."""

    fanout: MemoryFanout = field(default_factory=MemoryFanout)
    clock: FakeClock = field(default_factory=FakeClock)
    here: Live = field(default_factory=Live)
    there: Live = field(default_factory=Live)
    cancelled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paces_here, self.paces_there = Paces(self.clock.monotonic), Paces(self.clock.monotonic)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    pair = Pair()
    both = [
        LiveTogether(pair.here, pair.paces_here, pair.fanout, pair.clock, "here", pair.cancelled.append),
        LiveTogether(pair.there, pair.paces_there, pair.fanout, pair.clock, "there"),
    ]
    for one in both:
        one.start()
    await settle()
    yield pair
    for one in both:
        await one.close()


async def test_who_watches_elsewhere_is_told_as_it_comes(pair: Pair) -> None:
    with pair.there.watching("a") as feed:
        await settle()
        pair.here.began("a", 1)
        pair.here.said("a", "one", 1)
        await settle()
        assert (feed.is_live, feed.is_running, feed.run, feed.text, feed.tokens) == (True, False, 1, "one", 1)
        assert pair.there.tokens_of("a") == 1
        assert pair.there.watched() == ["a"]  # the store is asked all the same
        version = feed.version
        pair.here.ended("a")
        await settle()
        assert not feed.is_live
        assert feed.version > version


async def test_who_comes_late_gets_all_of_it(pair: Pair) -> None:
    pair.here.began("a", 3)
    pair.here.said("a", "so far", 2)
    with pair.there.watching("a") as feed:
        await settle()
        assert (feed.run, feed.text, feed.tokens) == (3, "so far", 2)
        pair.here.said("a", " \ud800", 3)
        await settle()
        assert feed.text == "so far ?"


async def test_another_try_begins_anew_and_an_older_one_is_not_heard(pair: Pair) -> None:
    with pair.there.watching("a") as feed:
        await settle()
        pair.here.began("a", 1)
        pair.here.said("a", "first", 1)
        pair.here.began("a", 2)
        pair.here.said("a", "second", 1)
        await settle()
        assert (feed.run, feed.text) == (2, "second")
        assert pair.there.heard("a", 1, 5, "late", 2)
        assert feed.text == "second"


async def test_a_piece_that_was_lost_is_asked_for(pair: Pair) -> None:
    with pair.there.watching("a") as feed:
        await settle()
        pair.here.began("a", 1)
        await settle()
        listener, pair.here.listener = pair.here.listener, None
        pair.here.said("a", "lost ", 1)
        pair.here.listener = listener
        pair.here.said("a", "and found", 2)
        await settle()
        assert (feed.text, feed.tokens) == ("lost and found", 2)


async def test_who_no_longer_watches_is_no_longer_told(pair: Pair) -> None:
    with pair.fanout.subscribe(CHANNEL) as messages:
        with pair.there.watching("a"):
            await settle()
            pair.here.began("a", 1)
            await pair.clock.advance(WANTED_S + AGAIN_S)  # it is said again and again
            pair.here.said("a", "x", 1)
            await settle()
            assert b'"x"' in b"".join(taken(messages))
        await pair.clock.advance(WANTED_S + AGAIN_S)
        taken(messages)
        pair.here.said("a", "y", 2)
        pair.here.ended("a")
        await settle()
        assert taken(messages) == []


def taken(messages: object) -> list[bytes]:
    waiting = messages._waiting  # type: ignore[attr-defined]
    found = list(waiting)
    waiting.clear()
    return found


async def test_the_pace_is_known_where_nothing_runs(pair: Pair) -> None:
    for _ in range(2):
        pair.paces_here.began("m")
        await settle()
        await pair.clock.advance(2.0)
    assert pair.paces_there.eta_s("m", 3) == pair.paces_here.eta_s("m", 3) == 6.0


async def test_what_was_cancelled_elsewhere_is_stopped(pair: Pair) -> None:
    there = pair.there.listener
    assert isinstance(there, LiveTogether)
    there.cancel("a")
    await settle()
    assert pair.cancelled == ["a"]


async def test_what_is_of_another_version_is_passed_over_and_what_is_remembered_is_bounded(pair: Pair) -> None:
    pair.fanout.publish(CHANNEL, b"?")
    many = [Reached(str(number), 0, 0) for number in range(MAX_WANTED + 5)]
    pair.fanout.publish(CHANNEL, encode(Watched("another", many)))
    await settle()
    here = pair.here.listener
    assert isinstance(here, LiveTogether)
    assert len(here._wanted) == MAX_WANTED


async def test_what_the_store_says_ends_it_where_nobody_tells_any_more(pair: Pair) -> None:
    with pair.there.watching("a") as feed:
        await settle()
        pair.here.began("a", 1)
        await settle()
        version = feed.version
        pair.there.stored("a", is_running=True)  # as is known
        assert (feed.is_live, feed.version) == (True, version)
        pair.there.stored("a", is_running=False)
        assert not feed.is_live
        assert feed.version > version
