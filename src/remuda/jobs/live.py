"""What goes on with tasks, told to those who watch them in this process."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

MAX_TEXT: Final = 1024 * 1024
"""Characters of a running task's text that are kept for those who come later."""


class Feed:
    """What is known of one task while somebody watches it or this process runs it."""

    __slots__ = ("_waiting", "is_heard", "is_running", "run", "text", "tokens", "version", "watchers")

    def __init__(self) -> None:
        self.version = 0
        """Grows with everything that happens."""
        self.watchers = 0
        self.run = 0
        """The claim under which it runs, or ran last, as far as that is known here."""
        self.is_running = False
        """Here, in this process."""
        self.is_heard = False
        """In another process, which tells of it as it goes on."""
        self.text = ""
        """The answer of the running attempt so far, bounded."""
        self.tokens = 0
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def is_live(self) -> bool:
        """Whether its text comes here as it is made."""
        return self.is_running or self.is_heard

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


class Listener(Protocol):
    """Is told of all that goes on with tasks in this process."""

    def watched(self, id_: str) -> None:
        """Somebody begins to watch it here."""
        ...

    def began(self, id_: str, run: int) -> None:
        """It runs here from now on."""
        ...

    def said(self, id_: str, run: int, at: int, text: str, tokens: int) -> None:
        """The answer goes on: so many characters of it have come, and `text` follows."""
        ...

    def changed(self, id_: str) -> None:
        """It no longer runs here, or the store has news of it."""
        ...


class Live:
    """The feeds of tasks, by id."""

    def __init__(self) -> None:
        self._feeds: dict[str, Feed] = {}
        self.listener: Listener | None = None

    # Not its length: an empty one would count as false, where it is asked for by `or`.
    @property
    def size(self) -> int:
        """How many feeds there are."""
        return len(self._feeds)

    def watched(self) -> list[str]:
        """Ids of tasks that somebody watches and that do not run here: only the store knows of them."""
        return [id_ for id_, feed in self._feeds.items() if feed.watchers and not feed.is_running]

    def tokens_of(self, id_: str) -> int | None:
        """How many have come so far; None where nobody tells that here."""
        feed = self._feeds.get(id_)
        return feed.tokens if feed is not None and feed.is_live else None

    def feed_of(self, id_: str) -> Feed | None:
        """The task's feed, where it runs here or somebody watches it."""
        return self._feeds.get(id_)

    @contextmanager
    def watching(self, id_: str) -> Iterator[Feed]:
        """The task's feed, for as long as it is wanted."""
        feed = self._feeds.setdefault(id_, Feed())
        feed.watchers += 1
        if self.listener is not None and not feed.is_running:
            self.listener.watched(id_)
        try:
            yield feed
        finally:
            feed.watchers -= 1
            self._let_go(id_, feed)

    def began(self, id_: str, run: int) -> None:
        """It runs here from now on."""
        feed = self._feeds.setdefault(id_, Feed())
        feed.run, feed.is_running, feed.is_heard = run, True, False
        feed.text, feed.tokens = "", 0
        feed.changed()
        if self.listener is not None:
            self.listener.began(id_, run)

    def said(self, id_: str, text: str, tokens: int) -> None:
        """The answer goes on."""
        feed = self._feeds.get(id_)
        if feed is not None:
            feed.tokens = tokens
            at = len(feed.text)
            if at >= MAX_TEXT:
                text = ""
            feed.text += text
            feed.changed()
            if self.listener is not None:
                self.listener.said(id_, feed.run, at, text, tokens)

    def ended(self, id_: str) -> None:
        """It no longer runs here, however that came, and the store has the news."""
        feed = self._feeds.get(id_)
        if feed is not None:
            feed.is_running = False
            feed.changed()
            self._let_go(id_, feed)
        if self.listener is not None:
            self.listener.changed(id_)

    def changed(self, id_: str) -> None:
        """The store has news of it."""
        self.not_heard(id_)
        if self.listener is not None:
            self.listener.changed(id_)

    def stored(self, id_: str, *, is_running: bool) -> None:
        """The store says something else of it than before, as was looked up; of one that runs in another process, only
        that it does."""
        feed = self._feeds.get(id_)
        if feed is not None and not (is_running and feed.is_heard):
            self.not_heard(id_)

    # What another process tells

    def heard(self, id_: str, run: int, at: int, text: str, tokens: int) -> bool:
        """It runs in another process: `text` follows on the first `at` characters of what that run has answered. False
        where it does not, for something in between is missing here."""
        feed = self._feeds.get(id_)
        if feed is None or feed.is_running or run < feed.run:
            return True
        if run != feed.run:
            feed.run, feed.text = run, ""
        if at > len(feed.text):
            return False
        feed.is_heard = True
        feed.text += text[len(feed.text) - at :]
        feed.tokens = tokens
        feed.changed()
        return True

    def not_heard(self, id_: str) -> None:
        """Whoever told of it does so no longer, or the store has news of it."""
        feed = self._feeds.get(id_)
        if feed is not None:
            feed.is_heard = False
            feed.changed()

    def _let_go(self, id_: str, feed: Feed) -> None:
        if not feed.watchers and not feed.is_running and self._feeds.get(id_) is feed:
            del self._feeds[id_]
