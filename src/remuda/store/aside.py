"""Questions about the past, worked out in a process of their own once they take long.

What they compute would hold up the event loop even from a thread, since threads share the interpreter's lock. A process
takes half a second to start and some 45 MB, so there is none before an answer has taken long, and nobody waits for
it: until it is ready, and where it cannot be had, answers are worked out here (docs/adr/0007-questions-beside.md).
"""

import asyncio
import itertools
import logging
import pickle
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from remuda.core.clock import Clock
from remuda.core.faults import Unavailable
from remuda.core.tasks import Tasks
from remuda.store import aside_process
from remuda.store.aside_process import HEADER, HELLO
from remuda.store.database import Store

INSIDE: Final = 4
"""Questions that the process works on at a time: as many as SQLite has connections there."""
MAX_WAITING: Final = 64
"""Questions that wait for that."""
IDLE_S: Final = 600.0
"""After so long without a question the process is ended."""
START_S: Final = 300.0
"""How long it may take to start: also where other work has the processor, to which it gives way."""
STOP_S: Final = 2.0
"""How long it may take to end by itself."""
MAX_REST_S: Final = 600.0
"""How long no process is started after several have died soon."""
COMMAND: Final = (sys.executable, "-P", "-m", aside_process.__name__)

Given = ParamSpec("Given")
Told = TypeVar("Told")
Work = Callable[Concatenate[Store, Given], Coroutine[Any, Any, Told]]
"""A function that reads the store, of a module; its arguments and what it returns can be pickled."""

log = logging.getLogger(__name__)


class Aside:
    """Whoever makes it closes it, before the store."""

    def __init__(self, store: Store, clock: Clock, *, after_s: float | None, command: Sequence[str] = COMMAND) -> None:
        """`after_s`: how long an answer takes at least that has a process started; None: there is never one."""
        self._store = store
        self._clock = clock
        self._after_s = after_s
        self._command = command
        self._tasks = Tasks("aside")
        self._places = asyncio.Semaphore(INSIDE)
        self._waiting = 0
        self._process: _Process | None = None
        """Where there is one and it takes questions."""
        self.is_running = False
        """Whether there is a process, perhaps one that only starts or ends."""
        self._is_closed = False
        self._died_soon = 0
        self._rests_until = float("-inf")
        self.here = 0
        """Answers that were worked out in this process."""
        self.beside = 0
        """Answers that came from the other one."""
        self.starts = 0
        """How often that became ready."""

    @property
    def pid(self) -> int | None:
        """Id of the process that takes questions, where there is one."""
        return None if self._process is None else self._process.pid

    async def run(self, work: Work[Given, Told], *args: Given.args, **kwargs: Given.kwargs) -> Told:
        """What `work` returns or raises, here or there. Raises Unavailable where too many wait already."""
        if self._process is not None:
            with suppress(_Died):
                answer: Told = await self._ask(pickle.dumps((work, args, kwargs)))
                return answer
        began = self._clock.monotonic()
        answer = await work(self._store, *args, **kwargs)
        self.here += 1
        if self._after_s is not None and self._clock.monotonic() - began >= self._after_s:
            self._start(work)
        return answer

    async def close(self) -> None:
        """End the process, and start none again."""
        self._is_closed = True
        await self._tasks.close()

    async def _ask(self, question: bytes) -> Any:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("too many questions about the past are waiting", retry_after_s=5)
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        if self._process is None:  # it ended meanwhile
            self._places.release()
            raise _Died
        # Its place is free when it is answered, not when nobody waits for it any more: it is worked on until then.
        answer, error = await self._process.ask(question, self._places.release)
        self.beside += 1
        if error is not None:
            raise error
        return answer

    def _start(self, work: Work[..., Any]) -> None:
        if not (self.is_running or self._is_closed) and self._clock.monotonic() >= self._rests_until:
            self.is_running = True
            self._tasks.start(self._keep_process(work), "process")

    async def _keep_process(self, work: Work[..., Any]) -> None:
        """One process, from its start to its end."""
        began = self._clock.monotonic()
        try:
            process = await _Process.started(self._command, self._clock)
            reason = await self._use(process, work)
        except OSError as error:
            reason = f"could not be started: {error.strerror}"
        finally:
            self.is_running = False
        if reason:
            self._rest(began, reason)

    async def _use(self, process: "_Process", work: Work[..., Any]) -> str:
        """Why it has ended; empty where it was meant to."""
        log_told = self._tasks.start(process.tell_its_log(), "log")
        idle: asyncio.Task[None] | None = None
        reason = "has ended"
        try:
            url = self._store.url.render_as_string(hide_password=False)
            async with asyncio.timeout(START_S):
                await process.greet((url, work))
            self._process = process
            self.starts += 1
            idle = self._tasks.start(self._end_when_idle(process), "idle")
            await process.take_answers()
        except Exception as error:  # noqa: BLE001 - whatever it is, questions are answered here then
            reason = f"is of no use: {type(error).__name__}: {error}"
        finally:
            self._process = None
            if idle is not None:
                idle.cancel()
            await process.stop()
        await asyncio.wait([log_told])
        return "" if process.is_dismissed else reason

    def _rest(self, began: float, reason: str) -> None:
        """A process that began then has come to nothing."""
        now = self._clock.monotonic()
        if now - began > MAX_REST_S:
            self._died_soon = 0
        self._rests_until = now + min(MAX_REST_S, 2.0**self._died_soon - 1)  # the first time not at all
        self._died_soon = min(self._died_soon + 1, 10)
        log.warning("the process for questions about the past %s; the gateway answers them itself", reason)

    async def _end_when_idle(self, process: "_Process") -> None:
        while (left_s := process.asked_at + IDLE_S - self._clock.monotonic()) > 0 or process.is_asked:
            await self._clock.sleep(left_s if left_s > 0 else IDLE_S)
        self._process = None
        process.dismiss()


class _Died(Exception):
    """The process ended before it had answered."""


class _Process:
    """The other process, as this one sees it."""

    def __init__(self, process: asyncio.subprocess.Process, clock: Clock) -> None:
        assert process.stdin is not None  # pipes were asked for
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._questions, self._answers, self._log = process.stdin, process.stdout, process.stderr
        self._clock = clock
        self._numbers = itertools.count(HELLO + 1)
        self._asked: dict[int, tuple[asyncio.Future[tuple[Any, Exception | None]], Callable[[], None]]] = {}
        self.asked_at = clock.monotonic()
        """When it was last asked something."""
        self.is_dismissed = False

    @classmethod
    async def started(cls, command: Sequence[str], clock: Clock) -> "_Process":
        """Raises OSError."""
        # In this session: to Linux's scheduler, niceness counts among the processes of one only. With this process's
        # environment, where the driver for Postgres may find what the URL does not say.
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe), clock)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_asked(self) -> bool:
        """Whether it works on something."""
        return bool(self._asked)

    async def greet(self, hello: tuple[str, Work[..., Any]]) -> None:
        """Return when it is ready; raises what it says, or _Died."""
        self._write(HELLO, pickle.dumps(hello))
        _, (_, error) = await self._answer()
        if error is not None:
            raise error

    async def ask(self, question: bytes, at_end: Callable[[], None]) -> tuple[Any, Exception | None]:
        """What it returned and raised; raises _Died. `at_end` is called when it works on it no more."""
        self.asked_at = self._clock.monotonic()
        number = next(self._numbers)
        answer: asyncio.Future[tuple[Any, Exception | None]] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer, at_end
        self._write(number, question)
        return await answer

    async def take_answers(self) -> None:
        """Hand each to who asked, until the process ends."""
        with suppress(_Died):
            while True:
                number, told = await self._answer()
                answer, at_end = self._asked.pop(number)
                at_end()
                if not answer.done():
                    answer.set_result(told)

    async def tell_its_log(self) -> None:
        """What it says at once is one line of this process's log."""
        while said := await self._log.read(65_536):
            log.warning("the process for questions about the past: %s", said.decode(errors="replace").strip())

    def dismiss(self) -> None:
        """Let it end by itself."""
        self.is_dismissed = True
        self._questions.close()

    async def stop(self) -> None:
        """End it, whatever it does; who waits for an answer gets _Died."""
        was_asked = self.is_asked
        while self._asked:
            _, (answer, at_end) = self._asked.popitem()
            at_end()
            if not answer.done():
                answer.set_exception(_Died())
        self._questions.close()
        try:
            if not was_asked:
                async with asyncio.timeout(STOP_S):
                    await self._process.wait()
        except TimeoutError:
            pass
        finally:
            with suppress(ProcessLookupError):
                if self._process.returncode is None:
                    self._process.kill()
        await self._process.wait()
        await self._answers.read()  # what it left in the pipe, so that it is closed

    async def _answer(self) -> tuple[int, tuple[Any, Exception | None]]:
        try:
            number, size = HEADER.unpack(await self._answers.readexactly(HEADER.size))
            return number, pickle.loads(await self._answers.readexactly(size))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise _Died from error

    def _write(self, number: int, pickled: bytes) -> None:
        # Never much: few questions are inside at a time. Of one that has just died the answers' end tells.
        if not self._questions.is_closing():
            self._questions.write(HEADER.pack(number, len(pickled)) + pickled)
