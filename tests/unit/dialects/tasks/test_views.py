"""Tasks as answers show them."""

from typing import Any

import pytest

from remuda.core.priority import Priority
from remuda.core.task import Task, TaskResult, TaskState
from remuda.dialects.tasks import schemas
from remuda.dialects.tasks.views import MESSAGES, WORDS, error_message, error_type, result_of, row_of, status_of_task

DONE = Task(
    seq=1,
    id="t",
    state=TaskState.COMPLETED,
    priority=Priority.NORMAL,
    model="m",
    key_id="k",
    user_id="u",
    dialect="tasks",
    path="/p",
    webhook=None,
    time_limit_s=120.0,
    created_at=100.0,
    started_at=100.5,
    finished_at=102.8,
    due_at=3700.0,
    claims=1,
    attempts=1,
    progress=45,
    prompt_tokens=12,
    error_type="",
    error_message="",
)


def test_every_state_has_its_word_and_sentence():
    assert set(WORDS) == set(MESSAGES) == set(TaskState)


def test_the_documents_example():
    assert result_of(TaskResult(DONE, "text", None, 200)) == schemas.Completed(
        "completed", "t", "text", schemas.Metrics(0.5, 2.3, 2.8, 12, 45, 19.57)
    )


def test_no_time_is_negative_whatever_clocks_did():
    odd = DONE._replace(started_at=200.0, finished_at=50.0)
    found = result_of(TaskResult(odd, None, None, 200))
    assert isinstance(found, schemas.Completed)
    assert (found.result, found.metrics.processing_time, found.metrics.total_time) == ("", 0, 0)
    assert found.metrics.tokens_per_second == 0


@pytest.mark.parametrize(
    ("state", "code", "kind", "message"),
    [
        (TaskState.FAILED, "task_time_limit", "TimeoutError", "Task exceeded time limit of 120s"),
        (TaskState.DEAD, "engine_down", "ModelLoadError", "said"),
        (TaskState.DEAD, "WorkerLost", "WorkerLost", "said"),
        (TaskState.FAILED, "", "TaskFailure", "said"),
        (TaskState.CANCELLED, "upstream_failed", "TaskCancelled", "Task was cancelled"),
    ],
)
def test_what_went_wrong(state: TaskState, code: str, kind: str, message: str):
    task = DONE._replace(state=state, error_type=code, error_message="said")
    assert (error_type(task), error_message(task)) == (kind, message)
    assert result_of(TaskResult(task, None, None, 0)) == schemas.Failed("error", "t", message, kind)


@pytest.mark.parametrize("state", [TaskState.QUEUED, TaskState.DELAYED, TaskState.RUNNING])
def test_what_is_under_way(state: TaskState):
    task: Any = DONE._replace(state=state)
    assert result_of(TaskResult(task, None, None, 0)) == schemas.Accepted(WORDS[state], "t", MESSAGES[state])
    shown = status_of_task(task, 50, 3, 1.26)
    assert (shown.position, shown.eta_seconds) == (3, 1.3)
    assert shown.progress == (50 if state is TaskState.RUNNING else None)


def test_rows():
    assert row_of(DONE).error_type is None
    assert row_of(DONE._replace(state=TaskState.DELAYED, error_type="upstream_failed")).error_type == "EngineError"
