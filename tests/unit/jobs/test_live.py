"""What watchers of tasks are told in one process."""

import asyncio

from remuda.jobs.live import MAX_TEXT, Live


async def test_a_watcher_is_woken_by_what_happens() -> None:
    live = Live()
    with live.watching("a") as feed:
        version = feed.version
        waiting = asyncio.create_task(feed.after(version, 30.0))
        await asyncio.sleep(0)
        live.began("a", 3)
        assert await waiting
        assert (feed.run, feed.is_running, feed.text) == (3, True, "")
        live.said("a", "one", 1)
        live.said("a", " two", 2)
        assert (feed.text, feed.tokens, live.tokens_of("a")) == ("one two", 2, 2)
        live.ended("a")
        assert not feed.is_running
        assert live.tokens_of("a") is None
        assert await feed.after(version, 30.0)
    assert live.size == 0


async def test_nothing_happening_ends_a_wait() -> None:
    with Live().watching("a") as feed:
        assert not await feed.after(feed.version, 0.0)


async def test_who_comes_late_has_the_text_so_far() -> None:
    live = Live()
    live.began("a", 1)
    live.said("a", "so far", 2)
    with live.watching("a") as feed:
        assert (feed.text, feed.is_running) == ("so far", True)
        live.began("a", 2)
        assert feed.text == ""


async def test_what_runs_here_needs_no_look_into_the_store() -> None:
    live = Live()
    with live.watching("a"), live.watching("b"):
        live.began("b", 1)
        live.began("c", 1)
        assert live.watched() == ["a"]


def test_nothing_is_kept_of_what_nobody_watches_and_does_not_run() -> None:
    live = Live()
    live.said("a", "x", 1)
    live.changed("a")
    live.ended("a")
    live.began("b", 1)
    live.ended("b")
    with live.watching("c"), live.watching("c"):
        pass
    assert live.size == 0


def test_the_text_is_bounded() -> None:
    live = Live()
    live.began("a", 1)
    for number in range(5):
        live.said("a", "x" * (MAX_TEXT // 2), number)
    with live.watching("a") as feed:
        assert len(feed.text) == MAX_TEXT
        assert feed.tokens == 4
