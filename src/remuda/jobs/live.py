"""What goes on with tasks in this process, told to those who watch them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MAX_TEXT: Final = 1024 * 1024
"""Characters of a running task's text that are kept for those who come later."""


class Feed:
    """What is known of one task while somebody watches it or this process runs it."""

    __slots__ = ("_waiting", "is_running", "run", "text", "tokens", "version", "watchers")

    def __init__(self) -> None:
        self.version = 0
        """Grows with everything that happens."""
        self.watchers = 0
        self.run = 0
        """The claim under which it runs, or ran last, here."""
        self.is_running = False
        """Here, in this process."""
        self.text = ""
        """The answer of the running attempt so far, bounded."""
        self.tokens = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def changed(self) -> None:
        """Something has happened: wake those who wait."""
        self.version += 1
        waiting, self._waiting = self._waiting, set()
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def after(self, version: int, timeout_s: float) -> bool:
        """Wait until more has happened than at `version`; False where nothing has for so long."""
        if self.version != version:
            return True
        woken = asyncio.get_running_loop().create_future()
        self._waiting.add(woken)
        try:
            async with asyncio.timeout(timeout_s):
                await woken
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(woken)
        return True


class Live:
    """The feeds of tasks, by id."""

    def __init__(self) -> None:
        self._feeds: dict[str, Feed] = {}

    # Not its length: an empty one would count as false, where it is asked for by `or`.
    @property
    def size(self) -> int:
        """How many feeds there are."""
        return len(self._feeds)

    def watched(self) -> list[str]:
        """Ids of tasks that somebody watches and that do not run here: only the store knows of them."""
        return [id_ for id_, feed in self._feeds.items() if feed.watchers and not feed.is_running]

    def tokens_of(self, id_: str) -> int | None:
        """How many have come so far; None where the task does not run here."""
        feed = self._feeds.get(id_)
        return feed.tokens if feed is not None and feed.is_running else None

    @contextmanager
    def watching(self, id_: str) -> Iterator[Feed]:
        """The task's feed, for as long as it is wanted."""
        feed = self._feeds.setdefault(id_, Feed())
        feed.watchers += 1
        try:
            yield feed
        finally:
            feed.watchers -= 1
            self._let_go(id_, feed)

    def began(self, id_: str, run: int) -> None:
        """It runs here from now on."""
        feed = self._feeds.setdefault(id_, Feed())
        feed.run, feed.is_running = run, True
        feed.text, feed.tokens = "", 0
        feed.changed()

    def said(self, id_: str, text: str, tokens: int) -> None:
        """The answer goes on."""
        feed = self._feeds.get(id_)
        if feed is not None:
            feed.tokens = tokens
            if len(feed.text) < MAX_TEXT:
                feed.text += text
            feed.changed()

    def ended(self, id_: str) -> None:
        """It no longer runs here, however that came, and the store has the news."""
        feed = self._feeds.get(id_)
        if feed is not None:
            feed.is_running = False
            feed.changed()
            self._let_go(id_, feed)

    def changed(self, id_: str) -> None:
        """The store has news of it."""
        feed = self._feeds.get(id_)
        if feed is not None:
            feed.changed()

    def _let_go(self, id_: str, feed: Feed) -> None:
        if not feed.watchers and not feed.is_running and self._feeds.get(id_) is feed:
            del self._feeds[id_]
