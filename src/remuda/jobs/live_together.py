"""Several gateways tell each other what goes on with tasks, so that whoever watches one may do so at any of them.

A gateway that has watchers of tasks which do not run there says so, again and again; the one at which such a task runs
tells of it then, as it goes on. Who notices that a piece is missing says how far it has come, and gets the rest. All of
it may be lost: the store is asked for states meanwhile, as it is without a bus.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from remuda.core.clock import Clock
from remuda.core.tasks import Tasks
from remuda.jobs.live import Live
from remuda.jobs.pace import Paces
from remuda.telemetry.fanout import Fanout

CHANNEL: Final = "tasks"
AGAIN_S: Final = 5.0
"""How often a gateway says which tasks are watched there."""
WANTED_S: Final = 3 * AGAIN_S
"""For how long it is told of one after it has said so."""
MAX_WANTED: Final = 10_000
"""Tasks that others watch."""
AT_ONCE: Final = 500
"""Watched tasks that one message names."""


class Reached(msgspec.Struct, array_like=True):
    """How far a watcher is with a task."""

    id: str
    run: int
    chars: int


class Watched(msgspec.Struct, tag="watched"):
    """These tasks are watched there."""

    by: str
    tasks: list[Reached]


class Said(msgspec.Struct, tag="said"):
    """A task goes on there: so much of its answer has come, and the text follows."""

    by: str
    id: str
    run: int
    at: int
    text: str
    tokens: int


class Changed(msgspec.Struct, tag="changed"):
    """A task no longer runs there, or the store has news of it."""

    by: str
    id: str


class Begun(msgspec.Struct, tag="begun"):
    """A task of this model begins there."""

    by: str
    model: str


class Cancelled(msgspec.Struct, tag="cancelled"):
    """The store has it that a task was cancelled."""

    by: str
    id: str


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Watched | Said | Changed | Begun | Cancelled).decode


class LiveTogether:
    """What goes on with tasks here, told to other gateways, and the other way round. All calls on the event loop."""

    def __init__(
        self,
        live: Live,
        paces: Paces,
        fanout: Fanout,
        clock: Clock,
        name: str,
        cancelled: Callable[[str], None] = lambda id_: None,
    ) -> None:
        """`name` tells this process from all others; `cancelled` is told of what was cancelled elsewhere."""
        self._live = live
        self._paces = paces
        self._fanout = fanout
        self._clock = clock
        self._name = name
        self._cancelled = cancelled
        self._wanted: dict[str, float] = {}
        """Tasks that others watch, and until when that holds."""
        self._behind: set[str] = set()
        """Tasks of which a piece is missing here that has been asked for."""
        self._tasks = Tasks("live")
        live.listener = self
        paces.listener = self._begun

    def start(self) -> None:
        """Begin to listen, and to say what is watched here."""
        self._tasks.start(self._listen(), "listen")
        self._tasks.start(self._say_again(), "say")

    async def close(self) -> None:
        """End it."""
        await self._tasks.close()

    def cancel(self, id_: str) -> None:
        """The store has it that this task was cancelled: it may run with others."""
        self._fanout.publish(CHANNEL, encode(Cancelled(self._name, id_)))

    def _begun(self, model: str) -> None:
        self._fanout.publish(CHANNEL, encode(Begun(self._name, model)))

    # As the listener of what goes on here

    def watched(self, id_: str) -> None:
        """Somebody begins to watch it here."""
        self._say_watched([id_])

    def began(self, id_: str, run: int) -> None:
        """It runs here from now on."""
        self.said(id_, run, 0, "", 0)

    def said(self, id_: str, run: int, at: int, text: str, tokens: int) -> None:
        """The answer goes on."""
        if self._is_wanted(id_):
            sent = text.encode("utf-8", "replace").decode()  # half a surrogate pair has no UTF-8
            self._fanout.publish(CHANNEL, encode(Said(self._name, id_, run, at, sent, tokens)))

    def changed(self, id_: str) -> None:
        """It no longer runs here, or the store has news of it."""
        if self._is_wanted(id_):
            self._fanout.publish(CHANNEL, encode(Changed(self._name, id_)))

    def _is_wanted(self, id_: str) -> bool:
        until = self._wanted.get(id_)
        return until is not None and self._clock.monotonic() < until

    # What others say

    async def _listen(self) -> None:
        with self._fanout.subscribe(CHANNEL) as messages:
            async for payload in messages:
                try:
                    message = decode(payload)
                except msgspec.MsgspecError:
                    continue  # of another version
                if message.by != self._name:
                    self._hear(message)

    def _hear(self, message: Watched | Said | Changed | Begun | Cancelled) -> None:
        if isinstance(message, Watched):
            for task in message.tasks:
                self._want(task)
        elif isinstance(message, Said):
            if self._live.heard(message.id, message.run, message.at, message.text, message.tokens):
                self._behind.discard(message.id)
            elif message.id not in self._behind:
                self._behind.add(message.id)
                self._say_watched([message.id])
        elif isinstance(message, Changed):
            self._live.not_heard(message.id)
        elif isinstance(message, Begun):
            self._paces.note(message.model)
        else:
            self._cancelled(message.id)

    def _want(self, task: Reached) -> None:
        self._wanted.pop(task.id, None)
        self._wanted[task.id] = self._clock.monotonic() + WANTED_S
        if len(self._wanted) > MAX_WANTED:
            del self._wanted[next(iter(self._wanted))]
        feed = self._live.feed_of(task.id)
        if feed is not None and feed.is_running:
            at = min(task.chars, len(feed.text)) if task.run == feed.run else 0
            if task.run != feed.run or at < len(feed.text):
                self.said(task.id, feed.run, at, feed.text[at:], feed.tokens)

    # What is watched here

    async def _say_again(self) -> None:
        while True:
            self._behind.clear()
            self._say_watched(self._live.watched())
            now = self._clock.monotonic()
            for id_ in [id_ for id_, until in self._wanted.items() if until <= now]:
                del self._wanted[id_]
            await self._clock.sleep(AGAIN_S)

    def _say_watched(self, ids: Iterable[str]) -> None:
        reached: list[Reached] = []
        for id_ in ids:
            feed = self._live.feed_of(id_)
            if feed is not None:
                reached.append(Reached(id_, feed.run, len(feed.text)))
        for start in range(0, len(reached), AT_ONCE):
            self._fanout.publish(CHANNEL, encode(Watched(self._name, reached[start : start + AT_ONCE])))
