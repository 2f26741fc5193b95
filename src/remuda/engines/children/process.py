"""Starts an engine as one child process per model, watches it load, and ends it."""

import asyncio
import os
import re
import secrets
import signal
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from remuda.core.address import Address
from remuda.core.clock import Clock
from remuda.core.tasks import Tasks
from remuda.engines.children import lines
from remuda.engines.children.props import Properties, is_healthy, properties_of
from remuda.engines.launch import LoadFailed, LoadProgress, LocalModel, Stage

MAX_SOCKET_PATH_BYTES = 107
"""sockaddr_un has 108 bytes on Linux, the last of them zero."""
STOP_S = 5.0
"""How long a child may take to end after it was asked to, before it is killed."""
LOAD_S = 1800.0
"""How long a load may take where nobody says otherwise: a 70 B model from a slow disk stays below that."""
POLL_S = 0.1
LOG_LINES = 40
LOG_LINE_CHARS = 400
MAX_LINE_BYTES = 262_144

_SECRET_VARIABLE = re.compile(r"^REMUDA_|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|DATABASE_URL|REDIS_URL|DSN$")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a child is to listen: on a unix socket, or on loopback with a bearer token."""

    socket_path: Path | None
    api_key: str | None


@dataclass(frozen=True, slots=True)
class Command:
    """What starts a child."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    address: Address | None
    """Where it will listen, if that is known beforehand; else it tells by itself."""


class Child:
    """One running engine process. Made by a launcher."""

    def __init__(
        self, model: LocalModel, process: asyncio.subprocess.Process, listening: Listening, stop_s: float = STOP_S
    ) -> None:
        self._model = model
        self._process = process
        self._listening = listening
        self._stop_s = stop_s
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._tasks = Tasks(f"engine {model.name}")
        self._readers: list[asyncio.Task[None]] = []
        self._is_ready = asyncio.Event()
        self._told: Address | None = None
        self._properties = Properties(slots=model.settings.slots, context=0)

    @property
    def address(self) -> Address:
        """Where it listens; known once it is ready."""
        if self._told is None:
            raise LoadFailed("the engine does not listen yet")
        return self._told

    @property
    def api_key(self) -> str | None:
        """The bearer token it wants; None on a unix socket."""
        return self._listening.api_key

    @property
    def slots(self) -> int:
        """Requests it serves at the same time."""
        return self._properties.slots

    @property
    def context(self) -> int:
        """Tokens per slot."""
        return self._properties.context

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    async def ended(self) -> str:
        """Return when the process has ended, with the reason in one line."""
        await asyncio.wait([*self._readers])
        code = await self._process.wait()
        tell = lines.reason_ended if self._is_ready.is_set() else lines.reason_not_loaded
        return tell(list(self._log), self._model.path, code)

    async def stop(self) -> None:
        """End the process: by closing its input and asking, after `stop_s` by killing."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._stop_s):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        await process.wait()
        if self._readers:
            # What it left in the pipes is read to the end, so that they are closed with it.
            await asyncio.wait(self._readers, timeout=self._stop_s)
        await self._tasks.close()
        if self._listening.socket_path is not None:
            self._listening.socket_path.unlink(missing_ok=True)

    async def become_ready(
        self, clock: Clock, on_progress: Callable[[LoadProgress], None], known: Address | None
    ) -> None:
        """Return when the engine serves; raises LoadFailed when it ends instead."""
        self._told = known
        output, errors = self._process.stdout, self._process.stderr
        assert output is not None  # pipes were asked for
        assert errors is not None
        self._readers = [
            self._tasks.start(self._read_output(output, on_progress), "output"),
            self._tasks.start(self._read_log(errors), "log"),
        ]
        ended = self._tasks.start(self.ended(), "end while loading")
        ready = self._tasks.start(self._is_ready.wait(), "ready")
        waits = [ended, ready]
        if known is not None:
            waits.append(self._tasks.start(self._poll(clock, known), "health"))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise LoadFailed(ended.result())
        finally:
            for task in waits:
                task.cancel()
        self._is_ready.set()
        found = await properties_of(self.address, self.api_key)
        if found is None:
            raise LoadFailed("the engine says it is ready but does not answer")
        self._properties = found
        on_progress(LoadProgress(Stage.READY, 100))

    async def _poll(self, clock: Clock, address: Address) -> None:
        """Return when the engine calls itself healthy: for a `llama-server` that does not report how its load goes."""
        while not await is_healthy(address, self.api_key):
            await clock.sleep(POLL_S)

    async def _read_output(self, output: asyncio.StreamReader, on_progress: Callable[[LoadProgress], None]) -> None:
        last = None
        async for line in _lines_of(output):
            if (address := lines.address_of(line)) is not None:
                self._told = address
                self._is_ready.set()
            elif (state := lines.state_of(line)) is not None:
                progress = lines.progress_of(state)
                if progress is None:
                    continue
                if progress.stage is Stage.READY:
                    # Our own child still tells its address; another one has it from us.
                    if self._told is not None:
                        self._is_ready.set()
                elif progress != last:
                    last = progress
                    on_progress(progress)

    async def _read_log(self, errors: asyncio.StreamReader) -> None:
        async for line in _lines_of(errors):
            self._log.append(line[:LOG_LINE_CHARS].decode(errors="replace"))

    def _signal(self, number: int) -> None:
        """Send a signal to the child and what it may have started itself."""
        if self._process.returncode is not None:
            return
        try:
            if sys.platform == "win32":
                self._process.terminate()
            else:
                os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass  # it has just ended by itself


class ChildLauncher(ABC):
    """What all launchers of children share: the place to listen, the environment, the way to readiness."""

    mark: ClassVar[str]
    """What tells the sockets of these children from those of other launchers with the same run folder."""

    def __init__(
        self,
        run_folder: Path,
        clock: Clock,
        *,
        prefer_tcp: bool = False,
        load_timeout_s: float = LOAD_S,
        stop_s: float = STOP_S,
    ) -> None:
        """`stop_s`: how long a child may take to end before it is killed."""
        self._run_folder = run_folder
        self._clock = clock
        self._prefer_tcp = prefer_tcp
        self._load_timeout_s = load_timeout_s
        self._stop_s = stop_s
        self._started = 0

    async def start(self, model: LocalModel, on_progress: Callable[[LoadProgress], None]) -> Child:
        """Start the engine for `model`; returns when it is ready. Raises LoadFailed; cancelled, it leaves nothing."""
        on_progress(LoadProgress(Stage.STARTING, 0))
        try:
            listening = self._place()
        except OSError as error:
            raise LoadFailed(f"the folder for the engines' sockets cannot be used: {error.strerror}") from None
        command = await self._command(model, listening)
        try:
            process = await asyncio.create_subprocess_exec(
                *command.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(command.environment),
                # A group of its own: Ctrl-C in a terminal is for the gateway, which then ends the child in good order.
                start_new_session=True,
            )
        except OSError as error:
            raise LoadFailed(f"the engine's program cannot be started: {error.strerror}") from None
        running = Child(model, process, listening, self._stop_s)
        try:
            async with asyncio.timeout(self._load_timeout_s):
                await running.become_ready(self._clock, on_progress, command.address)
        except TimeoutError:
            await running.stop()
            raise LoadFailed(f"the engine was not ready after {self._load_timeout_s:g} s") from None
        except BaseException:  # also where it is called off: nobody has the child yet who could end it
            await running.stop()
            raise
        return running

    @abstractmethod
    async def _command(self, model: LocalModel, listening: Listening) -> Command:
        """What starts an engine for `model`. Raises LoadFailed where there is no use in starting one."""

    def _place(self) -> Listening:
        """Where the next child is to listen: a socket in the run folder, or loopback with a key."""
        if not self._prefer_tcp and sys.platform != "win32":
            self._started += 1
            path = self._run_folder / f"{os.getpid()}-{self.mark}{self._started}.sock"
            if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
                self._run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._run_folder.chmod(0o700)
                _remove_stale(self._run_folder)
                return Listening(socket_path=path, api_key=None)
        return Listening(socket_path=None, api_key=secrets.token_urlsafe(24))


def environment_of_child() -> dict[str, str]:
    """The child's environment: the gateway's own without what may be a secret."""
    return {name: value for name, value in os.environ.items() if not _SECRET_VARIABLE.search(name.upper())}


def cores() -> int:
    """Cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _remove_stale(folder: Path) -> None:
    """Remove the sockets of gateways that are gone (killed ones leave theirs, and a bind to a leftover fails)."""
    for path in folder.glob("*-*.sock"):
        owner = path.name.partition("-")[0]
        if owner.isdecimal() and not _lives(int(owner)):
            path.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _lines_of(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a pipe to its end. A line above MAX_LINE_BYTES comes in pieces."""
    rest = b""
    while data := await reader.read(65_536):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > MAX_LINE_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest
