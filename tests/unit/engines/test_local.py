"""The life of local models, with a launcher that does what the test says and a clock that the test moves."""

import asyncio
import math
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from remuda.core.address import Address
from remuda.core.clock import SystemClock
from remuda.core.faults import EngineDown, ShuttingDown, UnknownModel
from remuda.engines.launch import LoadFailed, LoadProgress, LocalModel, Stage, Stamp
from remuda.engines.llamacpp.process import XllamaLauncher
from remuda.engines.local import (
    FIRST_PAUSE_S,
    FIRST_RETRY_S,
    FIRST_USE_S,
    LOOK_S,
    MAX_RESTARTS,
    MAX_RETRY_S,
    STEADY_S,
    LocalModels,
    LocalModelState,
    Phase,
)
from remuda.testing.clock import FakeClock
from tests.unit.engines.client import get, until


class FakeProcess:
    """An engine process that ends when told to."""

    api_key = None
    slots = 3
    context = 99

    def __init__(self, name: str) -> None:
        self.address = Address("localhost", 80, socket_path=f"/{name}.sock")
        self._ended = asyncio.Event()
        self._reason = ""
        self.is_stopped = False

    def crash(self, reason: str = "the engine was ended by signal 11") -> None:
        self._reason = reason
        self._ended.set()

    async def ended(self) -> str:
        await self._ended.wait()
        return self._reason

    async def stop(self) -> None:
        await asyncio.sleep(0)
        self.is_stopped = True
        self._ended.set()


class FakeLauncher:
    """Starts at once, unless a model's start is held or to fail."""

    def __init__(self) -> None:
        self.starts: list[str] = []
        self.processes: list[FakeProcess] = []
        self.held: dict[str, asyncio.Event] = {}
        self.failures: dict[str, Exception] = {}
        self.given_up: list[str] = []
        self.stamps: dict[str, Stamp] = {}
        self.damaged: dict[str, str] = {}

    async def stamp(self, model: LocalModel) -> Stamp:
        return self.stamps.get(model.name, ())

    async def check(self, model: LocalModel) -> None:
        if (reason := self.damaged.get(model.name)) is not None:
            raise LoadFailed(reason)

    async def start(self, model: LocalModel, on_progress: Callable[[LoadProgress], None]) -> FakeProcess:
        self.starts.append(model.name)
        on_progress(LoadProgress(Stage.LOADING_WEIGHTS, 40))
        try:
            await self.held.get(model.name, _SET).wait()
        except asyncio.CancelledError:
            self.given_up.append(model.name)
            raise
        if (failure := self.failures.get(model.name)) is not None:
            raise failure
        process = FakeProcess(model.name)
        self.processes.append(process)
        return process

    @property
    def running(self) -> int:
        return sum(not process.is_stopped for process in self.processes)


class _Set:
    async def wait(self) -> None: ...


_SET: Any = _Set()


class Yard:
    """Local models a, b and c with all that a test looks at."""

    def __init__(self, **settings: Any) -> None:
        self.launcher = FakeLauncher()
        self.clock = FakeClock()
        self.states: list[LocalModelState] = []
        self.busy: set[str] = set()
        self.models = LocalModels(
            [LocalModel(name, Path(f"/{name}.gguf")) for name in "abc"],
            self.launcher,
            self.clock,
            **{
                "max_loaded": 2,
                "idle_unload_s": None,
                "on_change": self.states.append,
                "is_busy": self.busy.__contains__,
                **settings,
            },
        )

    def phases(self, name: str) -> list[str]:
        """The phases a model went through, progress left out."""
        phases = [state.phase.value for state in self.states if state.name == name]
        return [phase for at, phase in enumerate(phases) if at == 0 or phases[at - 1] != phase]

    def phase(self, name: str) -> Phase:
        return next(state.phase for state in self.models.states() if state.name == name)

    async def settle(self) -> None:
        """Let everything run that can."""
        for _ in range(50):
            await asyncio.sleep(0)


@asynccontextmanager
async def yard(**settings: Any) -> AsyncIterator[Yard]:
    made = Yard(**settings)
    try:
        yield made
    finally:
        await made.models.close()
        assert made.launcher.running == 0


async def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    async with yard() as y:
        await y.settle()
        assert [state.phase for state in y.models.states()] == [Phase.REGISTERED] * 3
        assert y.launcher.starts == []


async def test_a_load_announces_each_step_and_ends_with_the_address() -> None:
    async with yard() as y:
        state = await y.models.load("a")
        assert state.address == Address("localhost", 80, socket_path="/a.sock")
        assert (state.phase, state.slots, state.context, state.engine) == (Phase.RUNNING, 3, 99, "llama.cpp")
        seen = [state for state in y.states if state.name == "a"]
        assert [state.phase for state in seen] == [Phase.REGISTERED, Phase.LOADING, Phase.LOADING, Phase.RUNNING]
        assert seen[2].progress == LoadProgress(Stage.LOADING_WEIGHTS, 40)
        assert await y.models.load("a") == state
    assert y.phases("a") == ["registered", "loading", "running", "stopped"]


async def test_callers_share_one_load_and_one_may_leave() -> None:
    async with yard() as y:
        y.launcher.held["a"] = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            waiters = [group.create_task(y.models.load("a")) for _ in range(3)]
            await y.settle()
            waiters[0].cancel()
            await y.settle()
            y.launcher.held["a"].set()
        assert waiters[0].cancelled()
        assert waiters[1].result() is waiters[2].result()
        assert y.launcher.starts == ["a"]


async def test_a_model_stays_for_as_long_as_was_asked_until_it_is_unloaded() -> None:
    async with yard(idle_unload_s=10.0) as y:
        assert y.models.stays_s("a") is None
        await y.models.load("a")
        assert y.models.stays_s("a") == 10
        y.models.keep("a", 100.0)
        await y.clock.advance(60)
        assert (y.phase("a"), y.models.stays_s("a")) == (Phase.RUNNING, 40)
        y.busy.add("a")
        assert y.models.stays_s("a") == 100, "it is in use"
        y.busy.clear()
        y.models.used("a")
        await y.clock.advance(99)
        assert y.phase("a") is Phase.RUNNING
        await y.clock.advance(1 + LOOK_S)
        assert (y.phase("a"), y.models.stays_s("a")) == (Phase.STOPPED, None)
        await y.models.load("a")
        assert y.models.stays_s("a") == 10, "that was asked of the earlier load"


@pytest.mark.parametrize("idle_unload_s", [None, 10.0])
async def test_a_model_may_be_kept_for_ever_or_let_go_once_it_is_idle(idle_unload_s: float | None) -> None:
    async with yard(idle_unload_s=idle_unload_s) as y:
        await y.models.load("a")
        y.models.keep("a", math.inf)
        await y.clock.advance(1000)
        assert (y.phase("a"), y.models.stays_s("a")) == (Phase.RUNNING, math.inf)
        y.busy.add("a")
        y.models.keep("a", 0)
        await y.clock.advance(5)
        assert y.phase("a") is Phase.RUNNING
        y.busy.clear()
        await y.clock.advance(LOOK_S)
        assert y.phase("a") is Phase.STOPPED
        await y.models.load("a")
        y.models.keep("a", 0)
        assert y.phase("a") is Phase.UNLOADING, "at once, where nobody uses it"


async def test_one_that_is_not_loaded_is_not_kept() -> None:
    async with yard(idle_unload_s=10.0) as y:
        y.models.keep("a", 0)
        await y.models.load("a")
        assert y.models.stays_s("a") == 10
        with pytest.raises(UnknownModel):
            y.models.keep("nope", 0)
        assert y.models.stays_s("nope") is None


async def test_a_wish_outlasts_a_crash() -> None:
    async with yard(idle_unload_s=10.0) as y:
        await y.models.load("a")
        y.models.keep("a", 100.0)
        y.launcher.processes[-1].crash()
        await y.settle()
        assert (y.phase("a"), y.models.stays_s("a")) == (Phase.RUNNING, 100)


async def test_the_least_recently_used_idle_model_makes_room() -> None:
    async with yard() as y:
        for name in "aba":
            await y.models.load(name)
            y.models.used(name)
            await y.clock.advance(1)
        await y.models.load("c")
        assert (y.phase("a"), y.phase("b"), y.phase("c")) == (Phase.RUNNING, Phase.STOPPED, Phase.RUNNING)
        assert y.phases("b") == ["registered", "loading", "running", "unloading", "stopped"]
        stopped = next(at for at, state in enumerate(y.states) if (state.name, state.phase) == ("b", Phase.STOPPED))
        loading = next(at for at, state in enumerate(y.states) if (state.name, state.phase) == ("c", Phase.LOADING))
        assert stopped < loading


async def test_a_busy_model_is_never_evicted_and_the_load_waits() -> None:
    async with yard(max_loaded=1) as y:
        await y.models.load("a")
        y.busy.add("a")
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(y.models.load("b"))
            await y.clock.advance(60)
            assert not waiting.done()
            assert y.phase("a") is Phase.RUNNING
            y.busy.remove("a")
            y.models.used("a")
            await y.settle()
            assert waiting.done()
        assert y.phase("a") is Phase.STOPPED
        assert y.phase("b") is Phase.RUNNING


async def test_many_loads_at_once_never_exceed_the_bound() -> None:
    async with yard(max_loaded=1) as y:
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(y.models.load(name)) for name in "abcabcabc"]
            for _ in range(20):
                await y.clock.advance(LOOK_S)
                assert y.launcher.running <= 1
        assert all(task.result().phase is Phase.RUNNING for task in waiting)
        assert sorted(y.launcher.starts) == ["a", "b", "c"]


async def test_a_model_just_loaded_is_kept_for_its_first_request() -> None:
    async with yard(max_loaded=1) as y:
        async with asyncio.TaskGroup() as group:
            group.create_task(y.models.load("a"))
            waiting = group.create_task(y.models.load("b"))
            await y.clock.advance(FIRST_USE_S - 0.1)
            assert y.phase("a") is Phase.RUNNING
            y.models.used("a")
            await y.settle()
            assert waiting.done()
        assert y.phase("a") is Phase.STOPPED


async def test_idle_models_are_unloaded_and_used_or_busy_ones_are_not() -> None:
    async with yard(max_loaded=3, idle_unload_s=10.0) as y:
        for name in "abc":
            await y.models.load(name)
        y.busy.add("b")
        await y.clock.advance(6)
        y.models.used("c")
        await y.clock.advance(6)
        assert (y.phase("a"), y.phase("b"), y.phase("c")) == (Phase.STOPPED, Phase.RUNNING, Phase.RUNNING)
        y.busy.remove("b")
        await y.clock.advance(9)
        assert (y.phase("b"), y.phase("c")) == (Phase.RUNNING, Phase.STOPPED)
        await y.clock.advance(2)
        assert y.phase("b") is Phase.STOPPED
        assert (await y.models.load("b")).phase is Phase.RUNNING


async def test_unload_waits_for_requests_in_progress_and_takes_no_new_ones() -> None:
    async with yard() as y:
        await y.models.load("a")
        y.busy.add("a")
        async with asyncio.TaskGroup() as group:
            unload = group.create_task(y.models.unload("a"))
            await y.settle()
            assert y.phase("a") is Phase.UNLOADING
            assert next(state for state in y.models.states() if state.name == "a").address is not None
            again = group.create_task(y.models.load("a"))
            await y.clock.advance(60)
            assert not unload.done()
            assert y.launcher.running == 1
            y.busy.remove("a")
            y.models.used("a")
        assert unload.done()
        assert again.result().phase is Phase.RUNNING
        assert y.launcher.starts == ["a", "a"]


async def test_unload_gives_up_a_load() -> None:
    async with yard() as y:
        y.launcher.held["a"] = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(_caught(y.models.load("a")))
            await y.settle()
            await y.models.unload("a")
        assert isinstance(waiting.result(), EngineDown)
        assert y.launcher.given_up == ["a"]
        assert y.phase("a") is Phase.STOPPED
        await y.models.unload("a")
        with pytest.raises(UnknownModel):
            await y.models.unload("x")


async def test_a_failed_load_is_told_and_tried_again_after_a_pause_that_grows() -> None:
    async with yard() as y:
        y.launcher.failures["a"] = LoadFailed("a.gguf: no such kind")
        pause = FIRST_RETRY_S
        for tries in range(1, 12):
            for _ in range(3):
                with pytest.raises(
                    EngineDown, match=r"The model a cannot be loaded: a\.gguf: no such kind\."
                ) as caught:
                    await y.models.load("a")
                assert caught.value.retry_after_s == pause
            assert y.launcher.starts == ["a"] * tries
            await y.clock.advance(pause)
            pause = min(2 * pause, MAX_RETRY_S)
        assert next(state for state in y.models.states()).reason == "a.gguf: no such kind"
        y.launcher.failures.clear()
        assert (await y.models.load("a")).phase is Phase.RUNNING
        with pytest.raises(UnknownModel):
            await y.models.load("x")


async def test_whoever_asks_in_such_a_pause_is_told_at_once() -> None:
    async with yard() as y:
        y.launcher.failures["a"] = LoadFailed("no memory")
        assert isinstance(await _caught(y.models.load("a")), EngineDown)
        before = len(y.states)
        await y.clock.advance(0.5)
        assert isinstance(await _caught(y.models.load("a")), EngineDown)
        assert [(s.phase, s.reason, s.retry_after_s) for s in y.states[before:]] == [(Phase.ERROR, "no memory", 1)]


async def test_another_file_or_an_unload_ends_the_pause() -> None:
    async with yard() as y:
        for end_it in (lambda: y.launcher.stamps.update(a=((5, 5),)), None):
            y.launcher.failures["a"] = LoadFailed("no memory")
            assert isinstance(await _caught(y.models.load("a")), EngineDown)
            y.launcher.failures.clear()
            if end_it is not None:
                end_it()
            else:
                await y.models.unload("a")
            assert (await y.models.load("a")).phase is Phase.RUNNING
            await y.models.unload("a")


async def test_only_where_every_model_fails_is_none_servable() -> None:
    async with yard() as y:
        for name in "abc":
            assert y.models.unservable() is None
            y.launcher.damaged[name] = f"{name}.gguf: no such file"
            assert isinstance(await _caught(y.models.load(name)), EngineDown)
        said = y.models.unservable()
        assert said is not None
        assert "b cannot be served: b.gguf: no such file" in said
        await y.clock.advance(FIRST_RETRY_S)
        assert y.models.unservable() is None, "whoever asks now starts another try"


@pytest.mark.parametrize("kind", ["damaged", "failing"])
async def test_a_model_that_cannot_be_loaded_drives_out_no_other(kind: str) -> None:
    async with yard(max_loaded=1) as y:
        if kind == "damaged":
            y.launcher.damaged["b"] = "b.gguf: the file is cut off"
        else:
            y.launcher.failures["b"] = LoadFailed("no such architecture")
            assert isinstance(await _caught(y.models.load("b")), EngineDown)
        await y.models.load("a")
        y.models.used("a")
        starts = list(y.launcher.starts)
        for _ in range(3):
            assert isinstance(await _caught(y.models.load("b")), EngineDown)
        assert y.phase("a") is Phase.RUNNING
        assert y.launcher.starts == starts


async def test_an_error_of_our_own_leaves_no_model_loading() -> None:
    async with yard(max_loaded=1) as y:
        y.launcher.failures["a"] = RuntimeError("a bug")
        with pytest.raises(EngineDown) as caught:
            await y.models.load("a")
        assert "a bug" not in caught.value.message
        assert (await y.models.load("b")).phase is Phase.RUNNING


async def test_a_first_crash_is_mended_at_once_and_callers_wait_for_it() -> None:
    async with yard() as y:
        await y.models.load("a")
        y.launcher.held["a"] = asyncio.Event()
        y.launcher.processes[0].crash()
        await y.settle()
        assert y.phase("a") is Phase.LOADING
        assert y.launcher.processes[0].is_stopped
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(y.models.load("a"))
            await y.settle()
            y.launcher.held["a"].set()
        assert waiting.result().phase is Phase.RUNNING
        assert "error" not in y.phases("a")
        assert y.launcher.starts == ["a", "a"]


async def test_crash_after_crash_waits_longer_each_time_and_ends_in_error() -> None:
    async with yard() as y:
        await y.models.load("a")
        y.launcher.processes[-1].crash()
        await y.settle()
        pause = FIRST_PAUSE_S
        for _ in range(MAX_RESTARTS - 1):
            y.launcher.processes[-1].crash()
            await y.settle()
            assert y.phase("a") is Phase.ERROR
            told = len(y.states)
            with pytest.raises(EngineDown, match="is being restarted: the engine was ended by signal 11") as caught:
                await y.models.load("a")
            assert caught.value.retry_after_s == max(1, pause)
            assert [(state.phase, state.retry_after_s) for state in y.states[told - 1 :]] == [
                (Phase.ERROR, max(1, pause))
            ] * 2, "said anew to whoever waits"
            await y.clock.advance(pause - 0.01)
            assert y.phase("a") is Phase.ERROR
            await y.clock.advance(0.01)
            assert y.phase("a") is Phase.RUNNING
            pause *= 2
        y.launcher.processes[-1].crash()
        await y.clock.advance(1000)
        assert y.phase("a") is Phase.ERROR
        assert "5 times in a row" in str(next(state for state in y.models.states()).reason)
        assert len(y.launcher.starts) == 1 + MAX_RESTARTS
        assert (await y.models.load("a")).phase is Phase.RUNNING


async def test_a_steady_run_forgives_earlier_crashes() -> None:
    async with yard() as y:
        await y.models.load("a")
        for _ in range(MAX_RESTARTS + 3):
            await y.clock.advance(STEADY_S)
            y.launcher.processes[-1].crash()
            await y.settle()
            assert y.phase("a") is Phase.RUNNING


async def test_unload_ends_the_wait_for_a_restart() -> None:
    async with yard() as y:
        await y.models.load("a")
        for _ in range(2):
            y.launcher.processes[-1].crash()
            await y.settle()
        assert y.phase("a") is Phase.ERROR
        await y.models.unload("a")
        assert y.phase("a") is Phase.STOPPED
        await y.clock.advance(1000)
        assert len(y.launcher.starts) == 2
        assert (await y.models.load("a")).phase is Phase.RUNNING


async def test_a_model_that_crashes_for_want_of_room_lets_the_waiting_one_in() -> None:
    async with yard(max_loaded=1) as y:
        await y.models.load("a")
        y.busy.add("a")
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(y.models.load("b"))
            await y.settle()
            y.launcher.processes[0].crash()
            y.busy.clear()
            await y.settle()
            assert waiting.done()
        assert waiting.result().phase is Phase.RUNNING


async def test_an_idle_engine_that_crashed_and_is_back_makes_room_at_once() -> None:
    async with yard(max_loaded=1) as y:
        await y.models.load("a")
        y.models.used("a")
        y.launcher.processes[0].crash()
        await y.settle()
        assert y.phase("a") is Phase.RUNNING
        assert (await y.models.load("b")).phase is Phase.RUNNING
        assert y.phase("a") is Phase.STOPPED


async def test_a_restart_that_somebody_waits_for_is_kept_for_them() -> None:
    async with yard(max_loaded=1) as y:
        await y.models.load("a")
        y.models.used("a")
        y.launcher.held["a"] = asyncio.Event()
        y.launcher.processes[0].crash()
        await y.settle()
        async with asyncio.TaskGroup() as group:
            group.create_task(y.models.load("a"))
            waiting = group.create_task(y.models.load("b"))
            await y.settle()
            y.launcher.held["a"].set()
            await y.clock.advance(FIRST_USE_S - 0.1)
            assert y.phase("a") is Phase.RUNNING
            y.models.used("a")
            await y.settle()
            assert waiting.done()


async def test_a_restart_that_nobody_waits_for_drives_out_no_other() -> None:
    async with yard(max_loaded=1) as y:
        await y.models.load("a")
        y.models.used("a")
        for _ in range(2):
            y.launcher.processes[0].crash()
            await y.settle()
            y.launcher.processes[-1].crash()  # the second in a row: it pauses
            await y.settle()
        assert y.phase("a") is Phase.ERROR
        await y.models.load("b")
        y.models.used("b")
        await y.clock.advance(60)
        assert (y.phase("a"), y.phase("b")) == (Phase.STOPPED, Phase.RUNNING)
        y.launcher.processes[-1].crash()
        await y.settle()
        assert y.phase("b") is Phase.RUNNING
        assert (await y.models.load("a")).phase is Phase.RUNNING


async def test_a_crash_while_unloading_starts_nothing() -> None:
    async with yard() as y:
        await y.models.load("a")
        y.busy.add("a")
        async with asyncio.TaskGroup() as group:
            group.create_task(y.models.unload("a"))
            await y.settle()
            y.launcher.processes[0].crash()
            await y.settle()
            y.busy.clear()
            await y.clock.advance(LOOK_S)
        assert y.phase("a") is Phase.STOPPED
        assert y.phases("a")[-2:] == ["unloading", "stopped"]
        assert y.launcher.starts == ["a"]


async def test_close_gives_up_loads_and_stops_what_runs() -> None:
    async with yard() as y:
        await y.models.load("a")
        y.launcher.held["b"] = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(_caught(y.models.load("b")))
            await y.settle()
            await y.models.close()
        assert isinstance(waiting.result(), ShuttingDown)
        assert y.launcher.running == 0
        with pytest.raises(ShuttingDown):
            await y.models.load("a")
        assert [state.phase for state in y.models.states()] == [Phase.STOPPED, Phase.STOPPED, Phase.REGISTERED]


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Yard(max_loaded=0)
    twins = [LocalModel("a", Path("/x.gguf"))] * 2
    with pytest.raises(ValueError, match="two local models are called a"):
        LocalModels(
            twins,
            FakeLauncher(),
            FakeClock(),
            max_loaded=1,
            idle_unload_s=None,
            on_change=lambda state: None,
            is_busy=lambda name: False,
        )


def test_a_key_is_never_shown() -> None:
    model = LocalModel("a", Path("/a.gguf"))
    assert "geheim" not in repr(LocalModelState(model, Phase.RUNNING, api_key="geheim"))


async def _caught(awaitable: Any) -> BaseException | None:
    try:
        await awaitable
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        return error
    return None


@pytest.mark.engine
async def test_a_real_engine_that_is_killed_comes_back(
    run_folder: Path, chat_model: LocalModel, embed_model: LocalModel
) -> None:
    launcher = XllamaLauncher(run_folder, SystemClock())
    children: list[Any] = []

    class Remembering:
        stamp = launcher.stamp
        check = launcher.check

        async def start(self, model: LocalModel, on_progress: Callable[[LoadProgress], None]) -> Any:
            children.append(await launcher.start(model, on_progress))
            return children[-1]

    models = LocalModels(
        [chat_model, embed_model],
        Remembering(),
        SystemClock(),
        max_loaded=1,
        idle_unload_s=None,
        on_change=lambda state: None,
        is_busy=lambda name: False,
    )
    try:
        first = await models.load(chat_model.name)
        os.kill(children[0].pid, signal.SIGKILL)
        await until(lambda: len(children) == 2)
        second = await models.load(chat_model.name)
        assert second.address != first.address
        assert len(await get(children[1], "/slots")) == 2
        models.used(chat_model.name)
        # An embedding model's slots share one cache: each may hold a text as long as the whole context.
        assert (await models.load(embed_model.name)).context == 2048
        assert [state.phase for state in models.states()] == [Phase.STOPPED, Phase.RUNNING]
    finally:
        await models.close()
    assert list(run_folder.iterdir()) == []
