"""The words of tasks."""

import pytest

from remuda.core.task import Task, TaskState


@pytest.mark.parametrize("state", TaskState)
def test_a_task_waits_runs_or_is_over(state: TaskState):
    assert [state.is_waiting, state is TaskState.RUNNING, state.is_over].count(True) == 1


def test_what_is_over():
    assert {state for state in TaskState if state.is_over} == {
        TaskState.COMPLETED,
        TaskState.FAILED,
        TaskState.DEAD,
        TaskState.CANCELLED,
    }


def test_a_task_has_no_body_and_no_answer():
    """Lists of tasks must not bring along what may be megabytes each."""
    assert not {"body", "text", "result"} & set(Task._fields)
