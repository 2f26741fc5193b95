"""The models this machine can serve itself: loaded on first use, unloaded when idle, restarted when they crash."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from remuda.core.address import Address
from remuda.core.clock import Clock
from remuda.core.faults import EngineDown, ShuttingDown, UnknownModel
from remuda.core.tasks import Tasks
from remuda.engines.launch import EngineProcess, Launcher, LoadFailed, LoadProgress, LocalModel

log = logging.getLogger(__name__)

MAX_RESTARTS = 5
"""In a row. After that many the model is left in error until somebody asks for it again."""
FIRST_PAUSE_S = 0.5
"""Before the second restart in a row, doubled for each further one. The first comes at once: one crash is bad luck."""
STEADY_S = 60.0
"""An engine that ran so long before it crashed starts the count of restarts anew."""
LOOK_S = 1.0
"""How often idle models are looked for, and room for a waiting load, where nobody says that something changed."""


class Phase(StrEnum):
    """Where a local model stands."""

    REGISTERED = "registered"
    """Known, never loaded."""
    LOADING = "loading"
    RUNNING = "running"
    UNLOADING = "unloading"
    STOPPED = "stopped"
    """Unloaded; the next use loads it again."""
    ERROR = "error"
    """Could not be loaded, or crashed. The next load tries again."""


@dataclass(frozen=True, slots=True)
class LocalModelState:
    """One local model at one moment."""

    model: LocalModel
    phase: Phase
    engine: str
    """The kind of engine that serves it."""
    progress: LoadProgress | None = None
    """While loading."""
    address: Address | None = None
    """While running; while unloading too, for the requests it still answers."""
    api_key: str | None = None
    """What the engine wants as a bearer token; never shown."""
    slots: int = 0
    context: int = 0
    """Tokens per slot."""
    reason: str | None = None
    """Of an error, in one line."""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    def __repr__(self) -> str:
        """Without the key."""
        return f"LocalModelState({self.model.name}, {self.phase}, {self.address}, {self.reason})"


class _Entry:
    """What is kept of one model while the program runs."""

    def __init__(self, state: LocalModelState) -> None:
        self.state = state
        self.process: EngineProcess | None = None
        self.load: asyncio.Task[LocalModelState] | None = None
        """The load in progress, shared by all who wait for it."""
        self.end: asyncio.Task[None] | None = None
        """The unload in progress."""
        self.used_at = 0.0
        self.running_since = 0.0
        self.crashes = 0
        self.restart_at: float | None = None
        """When a pause before a restart ends."""

    @property
    def takes_room(self) -> bool:
        return self.state.phase in (Phase.LOADING, Phase.RUNNING, Phase.UNLOADING)


class LocalModels:
    """Loads, unloads and restarts the local models. At most `max_loaded` engines exist at any moment.

    `on_change` hears of every change of state before anything else happens, so that a listener that stops sending to a
    model that is `unloading` never meets one that is gone. `is_busy` tells whether a model has requests in progress:
    a busy model is never unloaded. Neither may block or raise.
    """

    def __init__(
        self,
        models: Iterable[LocalModel],
        launcher: Launcher,
        clock: Clock,
        *,
        max_loaded: int,
        idle_unload_s: float | None,
        on_change: Callable[[LocalModelState], None],
        is_busy: Callable[[str], bool],
    ) -> None:
        if max_loaded < 1:
            raise ValueError("at least one local model must be allowed to be loaded")
        self._launcher = launcher
        self._clock = clock
        self._max_loaded = max_loaded
        self._idle_unload_s = idle_unload_s
        self._on_change = on_change
        self._is_busy = is_busy
        self._tasks = Tasks("local models")
        self._is_closing = False
        self._changed = asyncio.Event()
        self._making_room = asyncio.Lock()
        self._idle_watch: asyncio.Task[None] | None = None
        self._entries: dict[str, _Entry] = {}
        for model in models:
            if model.name in self._entries:
                raise ValueError(f"two local models are called {model.name}")
            self._entries[model.name] = _Entry(LocalModelState(model, Phase.REGISTERED, launcher.engine))
        for entry in self._entries.values():
            on_change(entry.state)

    def states(self) -> list[LocalModelState]:
        """All models as they stand now, in the order they were given."""
        return [entry.state for entry in self._entries.values()]

    def used(self, name: str) -> None:
        """Note that `name` is or was in use just now; to be called when a request begins and when one ends."""
        if (entry := self._entries.get(name)) is not None:
            entry.used_at = self._clock.monotonic()
            self._changed.set()

    async def load(self, name: str) -> LocalModelState:
        """The state of `name` once it runs. Loads it if need be; callers at the same time share one load.

        Where `max_loaded` engines are there already, the least recently used idle one makes room; while all are busy
        this waits. A caller that is cancelled leaves the load to the others. Raises UnknownModel, EngineDown with the
        reason where the model cannot be loaded or waits for its next restart, ShuttingDown after `close`.
        """
        entry = self._entry(name)
        while True:
            if self._is_closing:
                raise ShuttingDown
            if entry.state.phase is Phase.RUNNING:
                entry.used_at = self._clock.monotonic()
                return entry.state
            if entry.restart_at is not None:
                raise self._down(entry)
            if entry.end is not None:
                await asyncio.wait([entry.end])
                continue
            if entry.load is None:
                self._watch_idle()
                entry.load = self._tasks.start(self._load(entry), f"load {name}")
            load = entry.load
            await asyncio.wait([load])
            if load.cancelled():
                continue
            return load.result()

    async def unload(self, name: str) -> None:
        """Stop serving `name`: nothing new is sent to it at once, its engine ends when its last request has.

        A load in progress is given up. Returns when the engine is gone. Raises UnknownModel.
        """
        entry = self._entry(name)
        entry.restart_at = None
        entry.crashes = 0
        if (load := entry.load) is not None:
            load.cancel()
            await asyncio.wait([load])
        if entry.state.phase is Phase.RUNNING:
            self._begin_unload(entry)
        if entry.end is not None:
            await asyncio.wait([entry.end])
        elif entry.state.phase is Phase.ERROR:
            self._announce(entry, phase=Phase.STOPPED)

    async def close(self) -> None:
        """Stop all engines and forget what is going on. Requests in progress are cut: wait for them before."""
        self._is_closing = True
        await self._tasks.close()
        running = [entry for entry in self._entries.values() if entry.process is not None]
        await asyncio.gather(*(self._stop(entry) for entry in running))

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownModel(f"No local model is called {name}.")
        return entry

    def _announce(self, entry: _Entry, phase: Phase, **fields: object) -> None:
        state = LocalModelState(entry.state.model, phase, self._launcher.engine)
        entry.state = replace(state, **fields)  # type: ignore[arg-type]
        self._changed.set()
        self._on_change(entry.state)

    def _down(self, entry: _Entry) -> EngineDown:
        pause = (entry.restart_at or 0.0) - self._clock.monotonic()
        reason = entry.state.reason or "it is not running"
        if entry.restart_at is None:
            return EngineDown(f"The model {entry.state.name} cannot be loaded: {reason}.")
        return EngineDown(
            f"The engine of {entry.state.name} is being restarted: {reason}.", retry_after_s=max(1, int(pause + 1))
        )

    # Loading

    async def _load(self, entry: _Entry) -> LocalModelState:
        try:
            async with self._making_room:
                await self._make_room()
                self._announce(entry, Phase.LOADING)
            process = await self._start(entry)
        except LoadFailed as error:
            self._announce(entry, Phase.ERROR, reason=str(error))
            raise self._down(entry) from None
        except asyncio.CancelledError:
            if entry.state.phase is Phase.LOADING:
                self._announce(entry, Phase.STOPPED)
            raise
        finally:
            entry.load = None
        self._runs(entry, process)
        return entry.state

    async def _start(self, entry: _Entry) -> EngineProcess:
        def on_progress(progress: LoadProgress) -> None:
            if entry.state.phase is Phase.LOADING:
                self._announce(entry, Phase.LOADING, progress=progress)

        return await self._launcher.start(entry.state.model, on_progress)

    def _runs(self, entry: _Entry, process: EngineProcess) -> None:
        entry.process = process
        entry.used_at = entry.running_since = self._clock.monotonic()
        self._announce(
            entry,
            Phase.RUNNING,
            address=process.address,
            api_key=process.api_key,
            slots=process.slots,
            context=process.context,
        )
        self._tasks.start(self._watch(entry, process), f"watch {entry.state.name}")

    async def _make_room(self) -> None:
        """Return when one more engine may be started."""
        while sum(entry.takes_room for entry in self._entries.values()) >= self._max_loaded:
            self._changed.clear()
            ending = [entry.end for entry in self._entries.values() if entry.end is not None]
            if not ending:
                idle = [entry for entry in self._entries.values() if self._is_idle(entry)]
                if idle:
                    self._begin_unload(min(idle, key=lambda entry: entry.used_at))
                    continue
            await self._change()

    async def _change(self) -> None:
        """Return when something may have changed: when told so, and every LOOK_S."""
        waits = [
            self._tasks.start(self._changed.wait(), "change"),
            self._tasks.start(self._clock.sleep(LOOK_S), "look"),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _is_idle(self, entry: _Entry) -> bool:
        return entry.state.phase is Phase.RUNNING and not self._is_busy(entry.state.name)

    # Unloading

    def _begin_unload(self, entry: _Entry) -> None:
        state = entry.state
        entry.end = self._tasks.start(self._unload(entry), f"unload {state.name}")
        self._announce(
            entry,
            Phase.UNLOADING,
            address=state.address,
            api_key=state.api_key,
            slots=state.slots,
            context=state.context,
        )

    async def _unload(self, entry: _Entry) -> None:
        try:
            while self._is_busy(entry.state.name) and entry.process is not None:
                self._changed.clear()
                await self._change()
            await self._stop(entry)
        finally:
            entry.end = None
            self._changed.set()

    async def _stop(self, entry: _Entry) -> None:
        process, entry.process = entry.process, None
        if process is not None:
            await process.stop()
        self._announce(entry, Phase.STOPPED)

    def _watch_idle(self) -> None:
        if self._idle_unload_s and self._idle_watch is None:
            self._idle_watch = self._tasks.start(self._unload_idle(self._idle_unload_s), "idle")

    async def _unload_idle(self, idle_unload_s: float) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            now = self._clock.monotonic()
            for entry in self._entries.values():
                if self._is_busy(entry.state.name):
                    entry.used_at = now
                elif self._is_idle(entry) and now - entry.used_at >= idle_unload_s:
                    self._begin_unload(entry)

    # Crashes

    def _may_restart(self, entry: _Entry) -> bool:
        """Whether a crashed model still waits for it: it may have been unloaded, or asked for again, meanwhile."""
        return entry.state.phase is Phase.ERROR and entry.load is None and not self._is_closing

    async def _watch(self, entry: _Entry, process: EngineProcess) -> None:
        """Wait for the end of `process`; where nobody asked for it, start the model anew, with growing pauses."""
        reason = await process.ended()
        if entry.process is not process:
            return
        entry.process = None
        if entry.state.phase is not Phase.RUNNING:
            await process.stop()
            return  # it ended while its last requests were being waited for
        log.error("the engine of %s ended: %s", entry.state.name, reason)
        # Said at once, so that nothing more is sent there; its place is free again for the restart.
        self._announce(entry, Phase.ERROR, reason=reason)
        await process.stop()  # what is left of it: pipes, socket file
        if self._clock.monotonic() - entry.running_since >= STEADY_S:
            entry.crashes = 0
        entry.crashes += 1
        if entry.crashes > MAX_RESTARTS:
            entry.crashes = 0
            self._announce(entry, Phase.ERROR, reason=f"it crashed too often; the last time {reason}")
            return
        if entry.crashes > 1:
            pause = FIRST_PAUSE_S * 2 ** (entry.crashes - 2)
            entry.restart_at = self._clock.monotonic() + pause
            await self._clock.sleep(pause)
            entry.restart_at = None
        if self._may_restart(entry):
            entry.load = self._tasks.start(self._load(entry), f"restart {entry.state.name}")
