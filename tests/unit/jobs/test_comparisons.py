"""The way in, on a real store: what is refused, whose a comparison is, what is called off."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from remuda.core.clock import SystemClock
from remuda.core.comparison import RunState, Side
from remuda.core.faults import Forbidden, InvalidRequest, RateLimited, UnknownEntry, UnknownModel
from remuda.core.ids import random_ids
from remuda.jobs.comparisons import ComparisonBounds, Comparisons, Replay, Wanted
from remuda.jobs.files import FileBounds, Files
from remuda.jobs.live import Live
from remuda.jobs.queue import TaskBounds, TaskQueue
from remuda.store import Store, open_store, store_url_in
from remuda.store.comparison_runs import move_comparison
from remuda.store.journal_batch import Batch, write_batches
from tests.contract.store.samples import NOON, a_record

BOUNDS = ComparisonBounds(open_per_key=2, prompts=3, prompt_chars=20, total_chars=30, repeats=4, runs=16, keep_s=60.0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


class Rig:
    """Comparisons, and what they told."""

    def __init__(self, store: Store, folder: Path, cut_chars: int | None = None) -> None:
        clock = SystemClock()
        self.store = store
        self.told: list[str] = []
        self.files = Files(store, folder, clock, random_ids(), FileBounds())
        self.files.open()
        self.comparisons = Comparisons(
            store,
            TaskQueue(store, Live(), clock, TaskBounds()),
            self.files,
            clock,
            is_known=lambda name: name in ("a", "b"),
            max_tokens=64,
            cut_chars=cut_chars,
            bounds=BOUNDS,
            wake=lambda: self.told.append("wake"),
            cancelled=self.told.append,
        )

    async def create(self, key_id: str = "k", *, sees_all: bool = False, **values: Any) -> Any:
        asked: dict[str, Any] = {"name": "n", "model_a": "a", "model_b": "b", "test_prompt": "Hi"}
        return await self.comparisons.create(Wanted(**(asked | values)), key_id, sees_all=sees_all)


@pytest.fixture
def rig(store: Store, tmp_path: Path) -> Rig:
    return Rig(store, tmp_path / "files")


async def test_what_is_made_is_told_to_the_driver_and_found(rig: Rig) -> None:
    made = await rig.create(temperature=0.5)
    assert rig.told == ["wake"]
    assert made.parameters == {"max_tokens": 64, "temperature": 0.5}
    assert await rig.comparisons.find(made.id, "k") == await rig.comparisons.find(made.id, None) == made
    with pytest.raises(UnknownEntry):
        await rig.comparisons.find(made.id, "other")
    assert await rig.comparisons.page("other", 10, None) == []
    assert await rig.comparisons.page(None, 10, None) == [made]
    assert await rig.comparisons.answers([made]) == {}
    runs = await rig.comparisons.runs(made.id)
    assert [(run.side, run.state) for run in runs] == [(side, RunState.WAITING) for side in Side]
    assert await rig.comparisons.position(runs) is None


async def test_where_it_stands_in_the_queue(rig: Rig) -> None:
    for number in range(2):
        made = await rig.create()
        await move_comparison(rig.store, made.id, lambda number=number: f"t{number}", NOON, 60.0)  # type: ignore[misc]
    assert await rig.comparisons.position(await rig.comparisons.runs(made.id)) == 2


@pytest.mark.parametrize(
    ("values", "fault", "said"),
    [
        ({"model_a": "nobody"}, UnknownModel, "'nobody'"),
        ({"model_b": "nobody"}, UnknownModel, "'nobody'"),
        ({"test_prompt": None}, InvalidRequest, "not none"),
        ({"prompts": ["Hi"]}, InvalidRequest, "not test_prompt and prompts"),
        ({"test_prompt": None, "prompts": []}, InvalidRequest, "1 to 3 prompts"),
        ({"test_prompt": None, "prompts": ["Hi"] * 4}, InvalidRequest, "1 to 3 prompts"),
        ({"test_prompt": "x" * 21}, InvalidRequest, "1 to 20 characters"),
        ({"test_prompt": None, "prompts": [[{"role": "user"}]]}, InvalidRequest, "1 to 20 characters"),
        ({"test_prompt": None, "prompts": ["x" * 20] * 2}, InvalidRequest, "30 characters at most"),
        ({"repeats": 5}, InvalidRequest, "1 to 4"),
        ({"test_prompt": None, "prompts": ["Hi"] * 3, "repeats": 3}, InvalidRequest, "8 at most"),
        ({"test_prompt": None, "replay": Replay("a", 1)}, Forbidden, "insight.replay"),
    ],
)
async def test_what_is_refused(rig: Rig, values: dict[str, Any], fault: type[Exception], said: str) -> None:
    with pytest.raises(fault, match=said):
        await rig.create(**values)
    assert await rig.comparisons.page(None, 10, None) == []


async def test_a_key_has_so_many_under_way(rig: Rig) -> None:
    for _ in range(2):
        await rig.create()
    with pytest.raises(RateLimited, match="2 comparisons under way"):
        await rig.create()
    await rig.create("other")


async def test_stored_prompts(store: Store, tmp_path: Path) -> None:
    rig = Rig(store, tmp_path / "files", cut_chars=2000)
    replay = {"test_prompt": None, "replay": Replay("a", 2)}
    with pytest.raises(Forbidden, match="the scope manage"):
        await rig.create(**replay)
    with pytest.raises(InvalidRequest, match="no prompt to 'a' is stored whole"):
        await rig.create(sees_all=True, **replay)
    with pytest.raises(InvalidRequest, match="1 to 3"):
        await rig.create(sees_all=True, test_prompt=None, replay=Replay("a", 4))
    record = a_record(model="a", prompt_text="user: Hi", answer_text="Hello")
    await write_batches(store, [Batch("w", 1, [record])], NOON, is_durable=True)
    made = await rig.create(sees_all=True, **replay)
    assert (made.source, made.prompt) == ("replay", "Hi")


async def test_a_file_is_its_owners(rig: Rig) -> None:
    receiving = await rig.files.receive()
    await receiving.write(b'{"prompt": "Hi"}\n')
    file = await receiving.keep(key_id="k", purpose="batch", filename="in", keep_s=None)
    for key_id, sees_all in (("k", False), ("other", True)):
        made = await rig.create(key_id, sees_all=sees_all, test_prompt=None, file_id=file.id)
        assert (made.source, made.prompt) == ("file", "Hi")
    with pytest.raises(Exception, match="file"):
        await rig.create("other", test_prompt=None, file_id=file.id)


async def test_what_is_deleted_is_called_off(rig: Rig) -> None:
    made = await rig.create()
    await move_comparison(rig.store, made.id, lambda: "t1", NOON, 60.0)
    with pytest.raises(UnknownEntry):
        await rig.comparisons.delete(made.id, "other")
    await rig.comparisons.delete(made.id, "k")
    assert rig.told == ["wake", "t1"]
    with pytest.raises(UnknownEntry):
        await rig.comparisons.find(made.id, None)
