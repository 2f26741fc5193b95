"""Comparisons, made, looked up and forgotten, on each kind of database."""

from typing import Any

from tests.contract.store.samples import NOON

from remuda.core.comparison import ComparisonState, NewComparison, RunState, Side
from remuda.core.task import TaskState
from remuda.store import Store
from remuda.store.comparison_runs import Moved, move_comparison
from remuda.store.comparisons import (
    add_comparison,
    comparison_page,
    delete_comparison,
    find_comparison,
    first_answers,
    forget_comparisons,
    open_comparisons,
    runs_of,
)
from remuda.store.tasks import find_task


def new_comparison(key_id: str = "k", **values: Any) -> NewComparison:
    usual: dict[str, Any] = {
        "name": "n",
        "model_a": "a",
        "model_b": "b",
        "source": "prompts",
        "prompts": ["one", [{"role": "user", "content": "two"}]],
        "repeats": 1,
        "parameters": {"seed": 7},
    }
    return NewComparison(key_id, **(usual | values))


async def made(store: Store, key_id: str = "k", **values: Any) -> int:
    found = await add_comparison(store, new_comparison(key_id, **values), 10, NOON)
    assert found is not None
    return found.id


async def test_what_is_made_is_found(store: Store):
    found = await find_comparison(store, await made(store))
    assert found is not None
    assert (found.name, found.model_a, found.prompt, found.prompts, found.total) == ("n", "a", "one", 2, 4)
    assert (found.state, found.done, found.parameters) == (ComparisonState.QUEUED, 0, {"seed": 7})
    assert (found.winner, found.reasons, found.error, found.results) == (None, [], None, None)
    runs = await runs_of(store, found.id)
    assert [(run.side, run.prompt, run.state) for run in runs] == [
        (side, prompt, RunState.WAITING) for side in Side for prompt in (0, 1)
    ]
    assert await find_comparison(store, found.id + 1) is None


async def test_what_no_database_takes_is_replaced(store: Store):
    id_ = await made(store, name="a\x00b", prompts=["c\x00d"])
    found = await find_comparison(store, id_)
    assert found is not None
    assert (found.name, found.prompt) == ("a\ufffdb", "c\ufffdd")
    assert await move_comparison(store, id_, lambda: "t", NOON, 60.0) is Moved.FED


async def test_how_many_of_a_key_are_open(store: Store):
    for _ in range(2):
        await made(store)
    assert await add_comparison(store, new_comparison(), 2, NOON) is None
    assert await add_comparison(store, new_comparison("other"), 2, NOON) is not None


async def test_pages(store: Store):
    first, second, others = await made(store), await made(store), await made(store, "other")
    assert [each.id for each in await comparison_page(store, None, 10)] == [others, second, first]
    assert [each.id for each in await comparison_page(store, "k", 1)] == [second]
    assert [each.id for each in await comparison_page(store, None, 10, second)] == [first]


async def test_what_is_due(store: Store):
    first, second = await made(store), await made(store)
    await move_comparison(store, first, lambda: "t", NOON, 60.0)
    assert await open_comparisons(store) == [(first, "k", False), (second, "k", True)]


async def test_what_is_deleted_is_called_off(store: Store):
    id_ = await made(store)
    await move_comparison(store, id_, lambda: "t", NOON, 60.0)
    assert await delete_comparison(store, id_, NOON) == ["t"]
    assert await find_comparison(store, id_) is None
    assert await runs_of(store, id_) == []
    task = await find_task(store, "t")
    assert task is not None
    assert task.state is TaskState.CANCELLED
    assert await delete_comparison(store, id_, NOON) is None


async def test_what_is_over_is_forgotten(store: Store):
    id_ = await made(store, prompts=["p"])
    for number in range(3):
        # Nobody answers: each task is gone.
        await move_comparison(store, id_, lambda number=number: f"t{number}", NOON, 60.0)
        await store.write(lambda connection: connection.exec_driver_sql("DELETE FROM tasks"))
    found = await find_comparison(store, id_)
    assert found is not None
    assert found.state is ComparisonState.FAILED
    assert found.ended_at is not None
    assert await first_answers(store, [id_]) == {}
    assert await forget_comparisons(store, found.ended_at) == 0
    assert await forget_comparisons(store, found.ended_at + 1) == 1
    assert await find_comparison(store, id_) is None
