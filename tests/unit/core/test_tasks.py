"""Background tasks have a name and an owner who ends them."""

import asyncio
import logging

import pytest

from remuda.core.tasks import Tasks


async def test_a_task_is_named_and_held_until_it_ends():
    tasks = Tasks("owner")
    go = asyncio.Event()
    task = tasks.start(go.wait(), "waiting")
    assert task.get_name() == "owner:waiting"
    assert len(tasks) == 1
    go.set()
    await task
    assert len(tasks) == 0


async def test_closing_ends_what_runs_and_what_that_starts_meanwhile():
    tasks = Tasks("owner")
    begun = asyncio.Event()
    ended: list[str] = []

    async def for_ever(name: str) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def starts_another() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            tasks.start(for_ever("late"), "late")

    tasks.start(for_ever("early"), "early")
    tasks.start(starts_another(), "starter")
    await begun.wait()
    await tasks.close()
    assert len(tasks) == 0
    assert "early" in ended


async def test_a_failure_nobody_awaits_is_logged(caplog: pytest.LogCaptureFixture):
    async def fails() -> None:
        raise ValueError("broken")

    tasks = Tasks("owner")
    with caplog.at_level(logging.ERROR):
        await asyncio.wait([tasks.start(fails(), "failing")])
        await asyncio.sleep(0)
    assert "owner:failing" in caplog.text
    assert "broken" in caplog.text
