"""Tasks as the document's answers show them."""

from typing import Final, Literal

from remuda.core.task import Task, TaskResult, TaskState
from remuda.dialects.tasks import schemas

Word = Literal["queued", "processing", "completed", "failed"]

WORDS: Final[dict[TaskState, Word]] = {
    TaskState.QUEUED: "queued",
    TaskState.DELAYED: "queued",
    TaskState.RUNNING: "processing",
    TaskState.COMPLETED: "completed",
    TaskState.FAILED: "failed",
    TaskState.DEAD: "failed",
    TaskState.CANCELLED: "failed",
}
MESSAGES: Final[dict[TaskState, str]] = {
    TaskState.QUEUED: "Task is waiting in queue",
    TaskState.DELAYED: "Task is waiting to be tried again",
    TaskState.RUNNING: "Task is currently being processed",
    TaskState.COMPLETED: "Task completed successfully",
    TaskState.FAILED: "Task failed during processing",
    TaskState.DEAD: "Task failed each time it was tried",
    TaskState.CANCELLED: "Task was cancelled",
}
ERROR_TYPES: Final = {
    "task_time_limit": "TimeoutError",
    "engine_down": "ModelLoadError",
    "model_not_found": "ModelNotFoundError",
    "context_length_exceeded": "ContextLengthError",
    "invalid_request": "InvalidRequestError",
    "invalid_api_key": "AuthenticationError",
    "stream_cut": "EngineError",
    "upstream_failed": "EngineError",
    "upstream_silent": "EngineError",
}
"""The document's kind of word for a fault; others are told by their own."""


def status_of_task(task: Task, tokens: int | None, position: int | None, eta_s: float | None) -> schemas.Status:
    """The answer of `/status`; `tokens`: so far, where this process knows better than the store."""
    progress = tokens if tokens is not None else task.progress
    return schemas.Status(
        status=WORDS[task.state],
        task_id=task.id,
        message=MESSAGES[task.state],
        state=task.state.value,
        attempts=task.attempts,
        progress=None if task.state.is_waiting else progress,
        position=position,
        eta_seconds=None if eta_s is None else round(eta_s, 1),
    )


def result_of(found: TaskResult) -> schemas.Completed | schemas.Failed | schemas.Accepted:
    """The answer of `/result`."""
    task = found.task
    if task.state is TaskState.COMPLETED:
        return schemas.Completed("completed", task.id, found.text or "", metrics_of(task))
    if task.state.is_over:
        return schemas.Failed("error", task.id, error_message(task), error_type(task))
    return schemas.Accepted(WORDS[task.state], task.id, MESSAGES[task.state])


def metrics_of(task: Task) -> schemas.Metrics:
    """What a completed task took and used."""
    finished = task.finished_at if task.finished_at is not None else task.created_at
    started = task.started_at if task.started_at is not None else task.created_at
    # Clocks may have been put back meanwhile: no time is negative.
    processing = max(0.0, finished - started)
    return schemas.Metrics(
        queue_wait_time=round(max(0.0, started - task.created_at), 3),
        processing_time=round(processing, 3),
        total_time=round(max(0.0, finished - task.created_at), 3),
        prompt_tokens=task.prompt_tokens,
        completion_tokens=task.progress,
        tokens_per_second=round(task.progress / processing, 2) if processing else 0.0,
    )


def error_type(task: Task) -> str:
    """The kind of what went wrong."""
    if task.state is TaskState.CANCELLED:
        return "TaskCancelled"
    return ERROR_TYPES.get(task.error_type, task.error_type or "TaskFailure")


def error_message(task: Task) -> str:
    """What went wrong, in a sentence."""
    if task.state is TaskState.CANCELLED:
        return MESSAGES[TaskState.CANCELLED]
    if task.error_type == "task_time_limit":
        return f"Task exceeded time limit of {task.time_limit_s:g}s"
    return task.error_message or MESSAGES[task.state]


def row_of(task: Task) -> schemas.TaskRow:
    """A task in a list."""
    is_wrong = task.state in (TaskState.FAILED, TaskState.DEAD, TaskState.DELAYED) and task.error_type
    return schemas.TaskRow(
        task_id=task.id,
        state=task.state.value,
        model=task.model,
        priority=task.priority.word,
        user_id=task.user_id,
        created_at=task.created_at,
        attempts=task.attempts,
        started_at=task.started_at,
        finished_at=task.finished_at,
        progress=task.progress or None,
        error_type=error_type(task) if is_wrong else None,
        error_message=error_message(task) if is_wrong else None,
    )
