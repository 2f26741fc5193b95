"""Suggestions made from a real journal: on demand, daily, once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from remuda.core.moments import iso_time
from remuda.core.suggestion import SuggestionState
from remuda.insight.facts import Readings
from remuda.insight.suggestions import DAY_S, LEASE, LOOK_S, RULES, Suggestions
from remuda.store import Store, StoreUnavailable, open_store, store_url_in
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.leases import lease_holder
from remuda.store.ledger import Ledger
from remuda.store.rollups import note_in_rollups
from remuda.testing.clock import FakeClock
from tests.contract.store.samples import NOON, a_record
from tests.unit.insight.fact_samples import readings


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall=NOON + 3600)


def suggestions_on(store: Store, clock: FakeClock, holder: str = "me", **values: Any) -> Suggestions:
    async def read() -> Readings:
        return readings()

    return Suggestions(store, clock, holder, read, **values)


async def keep(store: Store, *records: dict[str, Any], number: int = 1) -> None:
    made = [a_record(each, **values) for each, values in enumerate(records)]
    await write_batches(store, [Batch("w", number, made)], NOON, is_durable=True)


HOT = {"temperature": 0.9, "ttft_s": 0.1}


async def test_without_data_nothing_is_said(store: Store, clock: FakeClock) -> None:
    suggestions = suggestions_on(store, clock)
    assert await suggestions.generate() is None
    await keep(store, {"started_at": NOON - DAY_S})
    assert await suggestions.generate() is None


async def test_what_is_found_is_kept_once(store: Store, clock: FakeClock) -> None:
    await keep(store, HOT, HOT)
    suggestions = suggestions_on(store, clock)
    found = await suggestions.generate()
    assert found is not None
    # Without a ledger every score is 0; the more urgent one comes first.
    assert [(each.suggestion.draft.rule, each.is_new) for each in found] == [
        ("low_score", True), ("high_temperature", True)
    ]  # fmt: skip
    again = await suggestions.generate()
    assert again is not None
    assert [each.is_new for each in again] == [False, False]
    page = await suggestions.page(SuggestionState.OPEN, 10, None)
    assert len(page) == 2
    assert await suggestions.find(page[0].id) == page[0]
    assert await suggestions.end(page[0].id, SuggestionState.DISMISSED)
    assert not await suggestions.end(99, SuggestionState.DISMISSED)
    left = await suggestions.generate()
    assert left is not None
    assert [each.suggestion.id for each in left] == [page[1].id]


async def test_the_facts_of_a_day(store: Store, clock: FakeClock) -> None:
    slow = {"duration_s": 10.0, "prompt_text": "user: " + "x" * 300, "answer_text": "said"}
    await keep(store, {"duration_s": 1.0}, {"duration_s": 1.0}, slow, slow | {"replica": "other"})
    facts = await suggestions_on(store, clock).facts()
    assert (facts.total.requests, facts.slow) == (4, (2, 20.0))
    assert facts.reread["remuda-tiny"].requests == 1
    assert set(facts.loads) == {"local/remuda-tiny", "other"}
    assert facts.readings.settings["models.max_loaded"] == 2
    for rule in RULES:
        rule(facts)


async def test_who_was_asked_for_in_a_day_the_rollups_know(store: Store, clock: FakeClock) -> None:
    store.ledger = Ledger(hooks=(note_in_rollups,))
    embedding, old = {"operation": "embedding", "model": "embeds"}, {"started_at": NOON - DAY_S, "model": "old"}
    await keep(store, HOT, HOT, embedding, old)
    facts = await suggestions_on(store, clock, max_requests=1).facts()
    assert (facts.asked, facts.asked_since) == ({"remuda-tiny": 2, "embeds": 1}, clock.wall() - 86_400.0)
    assert set(facts.models) == {"remuda-tiny"}


async def test_of_too_many_the_newest_and_that_is_said(store: Store, clock: FakeClock) -> None:
    await keep(store, HOT, HOT, HOT)
    found = await suggestions_on(store, clock, max_requests=2).generate()
    assert found is not None
    evidence = found[0].suggestion.draft.evidence
    assert (evidence["is_cut"], evidence["filter"]["from"], evidence["requests"]) == (True, iso_time(NOON + 1), 2)


async def test_once_a_day_and_by_one_gateway(store: Store, clock: FakeClock) -> None:
    await keep(store, HOT)
    daily = [asyncio.create_task(suggestions_on(store, clock, name).generate_daily()) for name in ("one", "two")]
    await clock.asleep(2)
    await clock.advance(LOOK_S)
    await clock.asleep(2)
    reader = suggestions_on(store, clock)
    first = await reader.page(None, 10, None)
    assert len(first) == 2
    holder = await lease_holder(store, LEASE)
    assert holder in ("one", "two")
    # Not again within a day, but then.
    await keep(store, HOT, number=2)
    await clock.advance(LOOK_S)
    await clock.asleep(2)
    assert await reader.page(None, 10, None) == first
    for each in daily:
        each.cancel()
    await asyncio.gather(*daily, return_exceptions=True)


async def test_a_store_that_is_away_is_asked_again(
    store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    await keep(store, HOT)
    answers = iter([StoreUnavailable("gone"), readings()])

    async def read() -> Readings:
        answer = next(answers)
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    suggestions = Suggestions(store, clock, "me", read)
    daily = asyncio.create_task(suggestions.generate_daily())
    for said in ("looked for later", ""):
        await clock.asleep()
        await clock.advance(LOOK_S)
        await clock.asleep()
        assert said in caplog.text
    assert len(await suggestions.page(None, 10, None)) == 2
    daily.cancel()
    await asyncio.gather(daily, return_exceptions=True)
