"""`GET /stream/{id}`: what happens with a task, as server-sent events.

Each event's data says `status` and `message`. Tokens come as `{"status": "processing", "token": ...}`; a client that
comes late, or again with `Last-Event-ID`, gets those that it missed first. An event's id is the run and how many
characters of the answer have been told with it. What another process runs is told in the same way where the gateways
have a bus (`jobs.live_together`), else by its state, and the text at once when it is over.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from remuda.core.faults import Fault, UnknownTask
from remuda.core.task import Task, TaskState
from remuda.dialects.tasks.views import MESSAGES, WORDS, error_message, error_type, metrics_of
from remuda.jobs.queue import TaskQueue

HEARTBEAT_S: Final = 15.0
MAX_DIGITS: Final = 18
HEARTBEAT: Final = b": waiting\n\n"
END: Final = "end"
"""Id of the last event. A browser that comes again with it, as browsers do when a stream has ended, is told to stop."""


class Told(msgspec.Struct):
    """How far a client has been told."""

    run: int = 0
    """The claim whose answer it is."""
    chars: int = 0


def told_before(last_event_id: str | None) -> Told:
    """What a client has that says which event it had last; nothing, for whatever else it says."""
    run, _, chars = (last_event_id or "").partition("-")
    if (run + chars).isascii() and run.isdigit() and chars.isdigit() and len(run + chars) < MAX_DIGITS:
        return Told(int(run), int(chars))
    return Told()


async def events_of(queue: TaskQueue, task: Task, key_id: str | None, told: Told) -> AsyncIterator[bytes]:
    """The events of `task`, from the beginning or from `told` on, to the end."""
    with queue.live.watching(task.id) as feed:
        said: TaskState | None = None
        while True:
            version = feed.version
            if task.state is not said and not task.state.is_over:
                said = task.state
                yield _event({"status": WORDS[said], "message": MESSAGES[said]}, told)
            if feed.is_live:
                for event in _tokens(feed.text, feed.run, told):
                    yield event
            if task.state.is_over:
                async for event in _end(queue, task, key_id, told):
                    yield event
                return
            while not await feed.after(version, HEARTBEAT_S):
                yield HEARTBEAT
            if feed.is_live and said is TaskState.RUNNING:
                continue  # the store knows no more than the feed
            try:
                task = await queue.find(task.id, key_id)
            except UnknownTask:
                return
            except Fault:
                continue


def _tokens(text: str, run: int, told: Told) -> list[bytes]:
    """What is new of an answer that comes."""
    if told.run != run:
        told.run, told.chars = run, 0
    if len(text) <= told.chars:
        return []
    new, told.chars = text[told.chars :], len(text)
    return [_event({"status": "processing", "message": MESSAGES[TaskState.RUNNING], "token": new}, told)]


async def _end(queue: TaskQueue, task: Task, key_id: str | None, told: Told) -> AsyncIterator[bytes]:
    found = await queue.result(task.id, key_id)
    task = found.task
    if task.state is TaskState.COMPLETED:
        text = found.text or ""
        for event in _tokens(text, task.claims, told):
            yield event
        last: dict[str, Any] = {
            "status": "completed",
            "message": MESSAGES[task.state],
            "result": text,
            "metrics": metrics_of(task),
        }
    else:
        last = {
            "status": "error",
            "message": MESSAGES[task.state],
            "error_message": error_message(task),
            "error_type": error_type(task),
        }
    yield b"id: %b\ndata: %b\n\n" % (END.encode(), msgspec.json.encode(last))


def _event(data: dict[str, Any], told: Told) -> bytes:
    return b"id: %d-%d\ndata: %b\n\n" % (told.run, told.chars, msgspec.json.encode(data))
