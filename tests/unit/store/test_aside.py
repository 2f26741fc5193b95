"""Questions that are worked out here or in a process of their own: the same answers, whatever becomes of that."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.fixtures.aside import (
    ROOT,
    START_S,
    a_pipe,
    an_aside,
    die,
    entered,
    fail,
    fail_oddly,
    held,
    talk,
    until_beside,
    until_ended,
    where,
)
from tests.fixtures.process import is_alive, until

from remuda.core.clock import SystemClock
from remuda.core.faults import Unavailable
from remuda.store import Store, StoreUnavailable, open_store
from remuda.store.aside import IDLE_S, INSIDE, MAX_WAITING, Aside
from remuda.store.aside_process import NICENESS
from remuda.store.errors import StoreError
from remuda.store.rollup_reading import TooManySingly
from remuda.testing.clock import FakeClock

HERE = os.getpid()
PARENT = """
import asyncio, sys
from remuda.core.clock import SystemClock
from remuda.store import open_store
from tests.fixtures.aside import an_aside, held, until_beside

async def main(url, pipe):
    aside = an_aside(await open_store(url), SystemClock())
    print(await until_beside(aside), flush=True)
    await aside.run(held, pipe)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def aside(store: Store, clock: FakeClock) -> AsyncIterator[Aside]:
    made = an_aside(store, clock)
    yield made
    await made.close()


async def test_the_first_answer_is_worked_out_here_and_later_ones_beside(aside: Aside, clock: FakeClock) -> None:
    assert await aside.run(where) == HERE
    assert (aside.pid, aside.here, aside.beside) == (None, 1, 0)
    await clock.asleep(within_s=START_S)  # it is ready, and is watched for having nothing to do
    assert await aside.run(where) == aside.pid != HERE
    assert (aside.here, aside.beside, aside.starts) == (1, 1, 1)


async def test_quick_answers_start_nothing_and_a_slow_one_does(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    aside = an_aside(store, clock, after_s=1.0)
    pipe = a_pipe(tmp_path)
    assert [await aside.run(where) for _ in range(3)] == [HERE] * 3
    assert not clock.sleepers
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(aside.run(held, pipe))
        with await entered(pipe):
            await clock.advance(1.0)
    assert asking.result() == HERE
    await clock.asleep(within_s=START_S)
    assert await aside.run(where) == aside.pid
    await aside.close()


async def test_never(store: Store, clock: FakeClock) -> None:
    aside = an_aside(store, clock, after_s=None)
    assert [await aside.run(where) for _ in range(3)] == [HERE] * 3
    await aside.close()
    assert (aside.starts, aside.here) == (0, 3)


async def test_what_is_raised_is_raised_here(aside: Aside) -> None:
    await until_beside(aside)
    for error in (StoreUnavailable("away"), StoreError("broken"), TooManySingly("many"), ValueError("wrong")):
        with pytest.raises(type(error)) as raised:
            await aside.run(fail, error)
        assert (type(raised.value), str(raised.value)) == (type(error), str(error))
        assert "in fail" in raised.value.__notes__[0], "the log tells where"
    with pytest.raises(Unavailable) as refused:
        await aside.run(fail, Unavailable("later", retry_after_s=7))
    assert refused.value.retry_after_s == 7


async def test_what_cannot_be_handed_on_is_told_in_words_and_logged(
    aside: Aside, caplog: pytest.LogCaptureFixture
) -> None:
    await until_beside(aside)
    with pytest.raises(StoreError, match=r"^Odd: odd$"):
        await aside.run(fail_oddly)
    await aside.close()
    assert "what a question raised cannot be handed on" in caplog.text


async def test_what_it_prints_is_logged_and_breaks_nothing(
    aside: Aside, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    pid = await until_beside(aside)
    await aside.run(talk, "a word")
    assert await aside.run(where) == pid
    await clock.advance(IDLE_S)  # it ends by itself, having said everything
    await until_ended(aside)
    assert "a word" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


async def test_one_that_is_killed_leaves_its_questions_to_this_process(
    aside: Aside, clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipes = [a_pipe(tmp_path, f"pipe{number}") for number in range(INSIDE)]
    pid = await until_beside(aside)
    async with asyncio.TaskGroup() as group:
        inside = [group.create_task(aside.run(held, pipe, but=HERE)) for pipe in pipes]
        with ExitStack() as stack:
            for pipe in pipes:
                stack.enter_context(await entered(pipe))
            waiting = group.create_task(aside.run(where))
            await asyncio.sleep(0)
            os.kill(pid, signal.SIGKILL)
            assert [await each for each in (*inside, waiting)] == [HERE] * (INSIDE + 1)
    assert await until_beside(aside) not in (HERE, pid)
    assert "has ended; the gateway answers them itself" in caplog.text
    assert aside.starts == 2


async def test_one_that_keeps_dying_is_given_rests(aside: Aside, clock: FakeClock) -> None:
    await until_beside(aside)
    assert await aside.run(die, but=HERE) == HERE
    for rest_s in (1.0, 3.0):
        await until_beside(aside)
        assert await aside.run(die, but=HERE) == HERE
        await until_ended(aside)
        await clock.advance(rest_s - 0.5)
        assert await aside.run(where) == HERE
        assert not aside.is_running
        await clock.advance(0.5)
    await until_beside(aside)
    assert aside.starts == 4


async def test_a_command_that_cannot_be_started(
    store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    aside = Aside(store, clock, after_s=0.0, command=("/nowhere/python",))
    for _ in range(2):
        assert await aside.run(where) == HERE
        await until_ended(aside)
    for _ in range(3):
        assert await aside.run(where) == HERE
        assert not aside.is_running, "after the second time it rests"
    assert "could not be started: No such file" in caplog.text
    await aside.close()


async def test_one_that_does_not_know_the_question(
    store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    aside = Aside(store, clock, after_s=0.0, command=(sys.executable, "-P", "-c", "print('what?')"))
    assert await aside.run(where) == HERE
    await until_ended(aside)
    assert await aside.run(where) == HERE
    assert "is of no use" in caplog.text
    await aside.close()


async def test_only_so_many_wait(aside: Aside, tmp_path: Path) -> None:
    pipes = [a_pipe(tmp_path, f"pipe{number}") for number in range(INSIDE)]
    pid = await until_beside(aside)
    async with asyncio.TaskGroup() as group:
        inside = [group.create_task(aside.run(held, pipe)) for pipe in pipes]
        with ExitStack() as stack:
            for pipe in pipes:
                stack.enter_context(await entered(pipe))
            ended: list[int] = []
            waiting = [group.create_task(_noted(aside, ended, number)) for number in range(MAX_WAITING)]
            await asyncio.sleep(0)
            with pytest.raises(Unavailable, match="too many questions") as refused:
                await aside.run(where)
            assert refused.value.retry_after_s
            assert not ended
    assert [each.result() for each in (*inside, *waiting)] == [pid] * (INSIDE + MAX_WAITING)


async def test_who_leaves_takes_no_place_for_ever_and_gives_none_away_too_soon(aside: Aside, tmp_path: Path) -> None:
    pid = await until_beside(aside)
    for number in range(INSIDE + 1):
        pipe = a_pipe(tmp_path, f"pipe{number}")
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(aside.run(held, pipe))
            with await entered(pipe):
                leaving.cancel()
    assert await aside.run(where) == pid


async def test_signals_to_the_whole_group_do_not_end_it(aside: Aside) -> None:
    pid = await until_beside(aside)
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    assert await aside.run(where) == pid


async def test_one_without_questions_is_ended_and_started_again(aside: Aside, clock: FakeClock) -> None:
    pid = await until_beside(aside)
    await clock.advance(IDLE_S - 1)
    assert await aside.run(where) == pid
    await clock.advance(IDLE_S - 1)
    assert aside.pid == pid
    await clock.advance(1)
    assert aside.pid is None
    assert await aside.run(where) == HERE
    assert await until_beside(aside) not in (HERE, pid)
    await asyncio.to_thread(until, lambda: not is_alive(pid), "it has ended")


async def test_it_ends_with_what_it_works_on(aside: Aside, tmp_path: Path) -> None:
    pid = await until_beside(aside)
    pipe = a_pipe(tmp_path)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(aside.run(held, pipe, but=HERE))
        with await entered(pipe):
            await aside.close()
            assert not is_alive(pid)
    assert asking.result() == HERE
    assert await aside.run(where) == HERE
    assert not aside.is_running


async def test_closing_one_that_only_starts(store: Store, clock: FakeClock) -> None:
    aside = an_aside(store, clock)
    await aside.run(where)
    await asyncio.sleep(0)
    await aside.close()
    assert not aside.is_running


async def test_one_whose_parent_is_killed_ends(tmp_path: Path) -> None:
    pipe = a_pipe(tmp_path)
    with subprocess.Popen(  # noqa: ASYNC220 - nobody else is on this event loop
        [sys.executable, "-c", PARENT, f"sqlite:///{tmp_path}/remuda.db", pipe],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, *sys.path])},
    ) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        with await entered(pipe):
            parent.kill()
            await asyncio.to_thread(until, lambda: not is_alive(pid), "it has ended")


async def test_the_real_program_answers(store: Store) -> None:
    aside = Aside(store, SystemClock(), after_s=0.0)
    assert await aside.run(Store.revision) == await store.revision()
    await asyncio.to_thread(until, lambda: aside.pid is not None, "it is ready")
    assert await aside.run(Store.revision) == await store.revision()
    assert aside.beside == 1
    assert aside.pid is not None
    usual = os.getpriority(os.PRIO_PROCESS, HERE)
    assert os.getpriority(os.PRIO_PROCESS, aside.pid) == min(19, usual + NICENESS), "requests go first"
    await aside.close()


async def _noted(aside: Aside, ended: list[int], number: int) -> int:
    pid = await aside.run(where)
    ended.append(number)
    return pid
