"""Whatever happens to a journal and in whatever order, its rollups come to what its records come to."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.store.rollup_cases import LEDGER, add, expected, roll_up, some_records
from tests.contract.store.samples import NOON

from remuda.core.record import RequestRecord
from remuda.core.spans import DAY, FIVE_MINUTES, HOUR, MINUTE
from remuda.core.tally import Tally
from remuda.store import Store, StoreRefused, open_store, store_url_in
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.rollup_reading import Question, answer
from remuda.store.rollups import prune_rollups

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 10**6)),
        st.tuples(st.just("late"), st.integers(0, 10**6)),
        st.tuples(st.sampled_from(["again", "undone", "roll", "prune"]), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 2 * DAY)),
    ),
    min_size=1,
    max_size=14,
)
SPANS = st.lists(st.tuples(st.floats(-DAY, 9 * DAY), st.floats(1, 9 * DAY)), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh store, to be copied."""
    folder = tmp_path_factory.mktemp("template")

    async def make() -> None:
        await (await open_store(store_url_in(folder))).close()

    asyncio.run(make())
    return folder


class History:
    """What has happened to a store so far."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOON
        self.records: list[RequestRecord] = []
        self._batches = 0
        self._last: list[RequestRecord] = []

    async def happen(self, what: str, number: int) -> None:
        """One thing more."""
        match what:
            case "add" | "late":
                since = self.now - (5 * DAY if what == "late" else 600)
                self._last = some_records(number, 8, since, 600)
                self._batches += 1
                self.records += self._last
                await add(self.store, self._last, self._batches)
            case "again":
                await add(self.store, self._last, self._batches)
            case "undone":
                await self._undo()
            case "roll":
                await roll_up(self.store, self.now)
            case "prune":
                await prune_rollups(self.store, {MINUTE: HOUR, FIVE_MINUTES: 2 * HOUR, HOUR: DAY})
            case "wait":
                self.now += number

    async def _undo(self) -> None:
        def fail(connection, records, scores, first_id):
            raise StoreRefused("the transaction is undone")

        self.store.ledger = replace(LEDGER, hooks=(*LEDGER.hooks, fail))
        batch = Batch("w", self._batches + 1, some_records(1, 5, self.now - 600, 600))
        with pytest.raises(StoreRefused):
            await write_batches(self.store, [batch], self.now, is_durable=False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, SPANS)
def test_rollups_are_their_records(template: Path, tmp_path: Path, events, spans):
    async def run() -> None:
        store = await open_store(store_url_in(folder))
        try:
            history = History(store)
            for what, number in events:
                await history.happen(what, number)
            for offset, length in spans:
                start, end = NOON + offset, NOON + offset + length
                told = await answer(store, Question(start, end, "model", top=2, exact_up_to=0))
                total = told.total[0].tally if told.total else Tally()
                assert total == expected(history.records, start, end)
                parts = [points[0].tally for points in told.groups.values() if points]
                counts = [sum(each) for each in zip(*(part.counts for part in parts), strict=True)]
                assert counts == (list(total.counts) if parts else [])
        finally:
            await store.close()

    folder = tmp_path / "store"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    asyncio.run(run())
