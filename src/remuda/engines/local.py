"""The models this machine can serve itself: loaded on first use, unloaded when idle, restarted when they crash."""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from remuda.core.address import Address
from remuda.core.clock import Clock
from remuda.core.faults import EngineDown, ShuttingDown, UnknownModel
from remuda.core.tasks import Tasks
from remuda.engines.launch import EngineKind, EngineProcess, Launcher, LoadFailed, LoadProgress, LocalModel, Stamp

log = logging.getLogger(__name__)

MAX_RESTARTS = 5
"""In a row. After that many the model is left in error until somebody asks for it again."""
FIRST_PAUSE_S = 0.5
"""Before the second restart in a row, doubled for each further one. The first comes at once: one crash is bad luck."""
STEADY_S = 60.0
"""An engine that ran so long before it crashed starts the count of restarts anew."""
FIRST_RETRY_S = 1.0
"""After a failed load of a file, before the same file is tried again; doubled for each further failure."""
MAX_RETRY_S = 300.0
FIRST_USE_S = 5.0
"""How long a model just loaded is kept for its first request while another waits for its room."""
MAX_SAID = 3
"""Models named where all of them fail."""
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
    """Could not be loaded, or crashed. The next load tries again, though not before a pause is over."""


@dataclass(frozen=True, slots=True)
class LocalModelState:
    """One local model at one moment."""

    model: LocalModel
    phase: Phase
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
    """Of an error, in one line; while loading anew after a crash, that of the crash."""
    retry_after_s: int | None = None
    """Of an error: whole seconds from now before which no load is tried; None where the next one is."""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def engine(self) -> EngineKind:
        """The kind of engine that serves it."""
        return self.model.engine

    def __repr__(self) -> str:
        """Without the key."""
        return f"LocalModelState({self.model.name}, {self.phase}, {self.address}, {self.reason})"


@dataclass(frozen=True, slots=True)
class _Failure:
    """A load that came to nothing, remembered so that it is not tried again and again at others' expense."""

    reason: str
    stamp: Stamp
    """Of the file that could not be loaded: another one is tried at once."""
    count: int
    """Such failures in a row."""
    retry_at: float


class _Entry:
    """What is kept of one model while the program runs."""

    def __init__(self, state: LocalModelState) -> None:
        self.state = state
        self.process: EngineProcess | None = None
        self.has_room = False
        """Whether it counts against `max_loaded`: from before its process starts until that has ended."""
        self.load: asyncio.Task[LocalModelState] | None = None
        """The load in progress, shared by all who wait for it."""
        self.is_wanted = False
        """Whether somebody waits for that load; else it only puts back an engine that crashed."""
        self.end: asyncio.Task[None] | None = None
        """The unload in progress."""
        self.failure: _Failure | None = None
        """Why the last load failed."""
        self.used_at = 0.0
        self.keep_s: float | None = None
        """How long it stays after its last use, where somebody has said so since it was loaded."""
        self.was_used = False
        """Since it was loaded; true from the start where nobody waited for that."""
        self.running_since = 0.0
        self.crashes = 0
        self.restart_at: float | None = None
        """When a pause before a restart ends."""


class LocalModels:
    """Loads, unloads and restarts the local models. At most `max_loaded` engines exist at any moment.

    `on_change` hears of every change of state before anything else happens, so that a listener that stops sending to a
    model that is `unloading` never meets one that is gone. Of an error it hears again with each load that is refused
    because of it, so that whoever has begun to wait since is told as well. `is_busy` tells whether a model has requests
    in progress: a busy model is never unloaded. Neither may block or raise.
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
        self._stay_s = idle_unload_s or math.inf
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
            self._entries[model.name] = _Entry(LocalModelState(model, Phase.REGISTERED))
        for entry in self._entries.values():
            on_change(entry.state)

    def states(self) -> list[LocalModelState]:
        """All models as they stand now, in the order they were given."""
        return [entry.state for entry in self._entries.values()]

    def unservable(self) -> str | None:
        """Why no local model can answer just now, in one line; None where one can, may, or would be tried again."""
        now = self._clock.monotonic()
        said = []
        for entry in self._entries.values():
            is_paused = entry.failure is not None and now < entry.failure.retry_at
            if entry.state.phase is not Phase.ERROR or not (is_paused or entry.restart_at is not None):
                return None
            said.append(f"{entry.state.name} cannot be served: {entry.state.reason}")
        return "; ".join(said[:MAX_SAID]) + (" …" if len(said) > MAX_SAID else "") if said else None

    def used(self, name: str) -> None:
        """Note that `name` is or was in use just now; to be called when a request begins and when one ends."""
        if (entry := self._entries.get(name)) is not None:
            entry.used_at = self._clock.monotonic()
            entry.was_used = True
            self._changed.set()

    def keep(self, name: str, seconds: float) -> None:
        """Have `name` stay loaded for `seconds` after its last use instead of `idle_unload_s`, until it is unloaded or
        somebody says otherwise: 0 until it is idle, `inf` until another needs its room. Nothing happens to one that is
        not loaded. Raises UnknownModel.
        """
        entry = self._entry(name)
        if entry.state.phase not in (Phase.RUNNING, Phase.LOADING):
            return
        entry.keep_s = seconds
        if seconds == 0 and self._is_idle(entry):
            self._begin_unload(entry)
        self._watch_idle(seconds)

    def stays_s(self, name: str) -> float | None:
        """In how many seconds `name` is unloaded if nobody uses it any more; `inf`: never; None: it does not run."""
        entry = self._entries.get(name)
        if entry is None or entry.state.phase is not Phase.RUNNING:
            return None
        idle_s = 0.0 if self._is_busy(name) else self._clock.monotonic() - entry.used_at
        return max(0.0, self._stay_of(entry) - idle_s)

    async def load(self, name: str) -> LocalModelState:
        """The state of `name` once it runs. Loads it if need be; callers at the same time share one load.

        Where `max_loaded` engines are there already, the least recently used idle one makes room; while all are busy
        this waits. A caller that is cancelled leaves the load to the others. Raises UnknownModel, EngineDown with the
        reason where the model cannot be loaded or waits for its next restart, ShuttingDown after `close`. A file that
        could not be loaded is not tried again before a pause is over, unless it has changed.
        """
        entry = self._entry(name)
        while entry.state.phase is not Phase.RUNNING:
            if self._is_closing:
                raise ShuttingDown
            if entry.restart_at is not None:
                seconds = self._seconds_to(entry.restart_at)
                # Once more, for those who have begun to wait since: they hear of it at once, as those before them did.
                self._announce(entry, Phase.ERROR, reason=entry.state.reason, retry_after_s=seconds)
                raise EngineDown(
                    f"The engine of {name} is being restarted: {entry.state.reason}.", retry_after_s=seconds
                )
            if entry.end is not None:
                await asyncio.wait([entry.end])
                continue
            load = entry.load or self._begin_load(entry)
            entry.is_wanted = True
            await asyncio.wait([load])
            if load.cancelled():
                if self._is_closing:
                    raise ShuttingDown
                raise EngineDown(f"The model {name} was unloaded before it was ready.")
            # What this load came to; by now the model may have been evicted again, but not before it could be used.
            state = load.result()
            if state.phase is Phase.ERROR:
                raise EngineDown(
                    f"The model {name} cannot be loaded: {state.reason}.", retry_after_s=state.retry_after_s
                )
            return state
        entry.used_at = self._clock.monotonic()
        return entry.state

    async def unload(self, name: str) -> None:
        """Stop serving `name`: nothing new is sent to it at once, its engine ends when its last request has.

        A load in progress is given up. Returns when the engine is gone. Raises UnknownModel.
        """
        entry = self._entry(name)
        entry.restart_at = None
        entry.crashes = 0
        entry.failure = None
        if (load := entry.load) is not None:
            load.cancel()
            await asyncio.wait([load])
        if entry.state.phase is Phase.RUNNING:
            self._begin_unload(entry)
        if entry.end is not None:
            await asyncio.wait([entry.end])
        elif entry.state.phase is Phase.ERROR:
            self._announce(entry, Phase.STOPPED)

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
        state = LocalModelState(entry.state.model, phase)
        entry.state = replace(state, **fields)  # type: ignore[arg-type]
        self._changed.set()
        self._on_change(entry.state)

    # Loading

    def _begin_load(self, entry: _Entry) -> asyncio.Task[LocalModelState]:
        self._watch_idle(self._stay_s)
        entry.load = self._tasks.start(self._load(entry), f"load {entry.state.name}")
        return entry.load

    async def _load(self, entry: _Entry) -> LocalModelState:
        """Bring a model from wherever it is to running or error, and return that; when cancelled, to stopped."""
        stamp: Stamp = ()
        try:
            stamp = await self._launcher.stamp(entry.state.model)
            failure = entry.failure
            if failure is not None and failure.stamp == stamp and self._clock.monotonic() < failure.retry_at:
                self._announce_failure(entry, failure)  # once more, for those who have begun to wait since
                return entry.state
            # Before room is made: no model that answers shall go for one that cannot come.
            await self._launcher.check(entry.state.model)
            async with self._making_room:
                if self._is_full() and not entry.is_wanted:
                    self._announce(entry, Phase.STOPPED)  # others came first; its next use loads it
                    return entry.state
                await self._make_room()
                entry.has_room = True
            self._announce(entry, Phase.LOADING)
            process = await self._start(entry)
        except LoadFailed as error:
            self._failed(entry, str(error), stamp)
        except asyncio.CancelledError:
            entry.has_room = False
            if entry.state.phase is Phase.LOADING:
                self._announce(entry, Phase.STOPPED)
            raise
        except Exception:
            # Whatever went wrong, nobody may wait for ever for a load that is not going on.
            log.exception("loading %s failed", entry.state.name)
            self._failed(entry, "of an error in the gateway, see its log", stamp)
        else:
            self._runs(entry, process)
        finally:
            entry.load = None
        return entry.state

    def _failed(self, entry: _Entry, reason: str, stamp: Stamp) -> None:
        log.error("%s cannot be loaded: %s", entry.state.name, reason)
        entry.has_room = False
        before = entry.failure
        count = before.count + 1 if before is not None and before.stamp == stamp else 1
        pause = min(MAX_RETRY_S, FIRST_RETRY_S * 2 ** min(count - 1, 16))
        entry.failure = _Failure(reason, stamp, count, self._clock.monotonic() + pause)
        self._announce_failure(entry, entry.failure)

    def _announce_failure(self, entry: _Entry, failure: _Failure) -> None:
        seconds = self._seconds_to(failure.retry_at)
        self._announce(entry, Phase.ERROR, reason=failure.reason, retry_after_s=seconds)

    def _seconds_to(self, moment: float) -> int:
        return max(1, math.ceil(moment - self._clock.monotonic()))

    async def _start(self, entry: _Entry) -> EngineProcess:
        def on_progress(progress: LoadProgress) -> None:
            if entry.state.phase is Phase.LOADING:
                self._announce(entry, Phase.LOADING, progress=progress)

        return await self._launcher.start(entry.state.model, on_progress)

    def _runs(self, entry: _Entry, process: EngineProcess) -> None:
        entry.process = process
        entry.failure = None
        entry.used_at = entry.running_since = self._clock.monotonic()
        entry.was_used = not entry.is_wanted  # nobody's first request is on its way
        self._announce(
            entry,
            Phase.RUNNING,
            address=process.address,
            api_key=process.api_key,
            slots=process.slots,
            context=process.context,
        )
        self._tasks.start(self._watch(entry, process), f"watch {entry.state.name}")

    def _is_full(self) -> bool:
        return sum(entry.has_room for entry in self._entries.values()) >= self._max_loaded

    async def _make_room(self) -> None:
        """Return when one more engine may be started."""
        while self._is_full():
            self._changed.clear()
            if all(entry.end is None for entry in self._entries.values()):
                idle = [entry for entry in self._entries.values() if self._is_evictable(entry)]
                if idle:
                    self._begin_unload(min(idle, key=lambda entry: entry.used_at))
            await self._change()

    async def _change(self) -> None:
        """Return when something may have changed since the flag was cleared: when told so, and every LOOK_S."""
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

    def _is_evictable(self, entry: _Entry) -> bool:
        """Whether an idle model may make room. One just loaded is first left to those it was loaded for: else two
        models that are both asked for would push each other out without ever answering.
        """
        is_fresh = not entry.was_used and self._clock.monotonic() - entry.running_since < FIRST_USE_S
        return self._is_idle(entry) and not is_fresh

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
            while self._is_busy(entry.state.name):
                self._changed.clear()
                await self._change()
            await self._stop(entry)
        finally:
            entry.end = None
            self._changed.set()

    async def _stop(self, entry: _Entry) -> None:
        if entry.process is not None:
            await entry.process.stop()
        entry.process = None
        entry.has_room = False
        entry.keep_s = None
        self._announce(entry, Phase.STOPPED)

    def _stay_of(self, entry: _Entry) -> float:
        return self._stay_s if entry.keep_s is None else entry.keep_s

    def _watch_idle(self, stay_s: float) -> None:
        """Look for idle models from now on, since one is not to stay for ever."""
        if stay_s < math.inf and self._idle_watch is None:
            self._idle_watch = self._tasks.start(self._unload_idle(), "idle")

    async def _unload_idle(self) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            now = self._clock.monotonic()
            for entry in self._entries.values():
                if self._is_busy(entry.state.name):
                    entry.used_at = now
                elif self._is_idle(entry) and now - entry.used_at >= self._stay_of(entry):
                    self._begin_unload(entry)

    # Crashes

    async def _watch(self, entry: _Entry, process: EngineProcess) -> None:
        """Wait for the end of `process`; where nobody asked for it, start the model anew, with growing pauses.

        Such a restart takes no other model's place, and gives up its own to whoever asks for it.
        """
        reason = await process.ended()
        if entry.state.phase is not Phase.RUNNING:
            return  # it is being unloaded, which sees to the rest
        log.error("the engine of %s ended: %s", entry.state.name, reason)
        entry.process = None
        entry.has_room = False
        if self._clock.monotonic() - entry.running_since >= STEADY_S:
            entry.crashes = 0
        entry.crashes += 1
        entry.is_wanted = self._is_busy(entry.state.name)
        if entry.crashes == 1:
            # Said before anything else is awaited, so that nothing more is sent there, and who waits, waits on.
            self._announce(entry, Phase.LOADING, reason=reason)
            self._begin_load(entry)
            await process.stop()  # what is left of it: pipes, socket file
        elif entry.crashes > MAX_RESTARTS:
            entry.crashes = 0
            self._announce(entry, Phase.ERROR, reason=f"it crashed {MAX_RESTARTS} times in a row; {reason}")
            await process.stop()
        else:
            pause = FIRST_PAUSE_S * 2 ** (entry.crashes - 2)
            restart_at = entry.restart_at = self._clock.monotonic() + pause
            self._announce(entry, Phase.ERROR, reason=reason, retry_after_s=self._seconds_to(restart_at))
            await process.stop()
            await self._clock.sleep(pause)
            if entry.restart_at == restart_at:  # else it was unloaded meanwhile
                entry.restart_at = None
                self._begin_load(entry)
