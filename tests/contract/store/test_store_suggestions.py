"""Suggestions, kept once, on each kind of database."""

import asyncio
from typing import Any

from tests.contract.store.samples import NOON

from remuda.core.suggestion import Change, Draft, Gain, SuggestionState
from remuda.store import Store, suggestions
from remuda.store.suggestions import (
    end_suggestion,
    find_suggestion,
    keep_suggestions,
    suggestion_page,
)

DAY = 86_400.0


def a_draft(rule: str = "r", model: str = "m", **values: Any) -> Draft:
    usual: dict[str, Any] = {
        "suggestion_type": "performance",
        "title": "t",
        "description": "d",
        "priority": "high",
        "potential_improvement": "p",
        "expected_gain": Gain("figure", 2.0, 1.0, "s", "that it holds"),
        "evidence": {"query": "q", "requests": 7},
        "changes": (Change("models.max_loaded", 2, 3), Change("llamacpp.n_ctx", None, 8192)),
    }
    return Draft(rule=rule, model_name=model, **(usual | values))


async def keep(store: Store, *drafts: Draft, now: float = NOON) -> list[tuple[int, bool]]:
    """What is kept of them: id, and whether it is new."""
    # So that a server's clock does not matter: nothing is long ago, unless it was moved back.
    kept = await keep_suggestions(store, drafts, now, dismissed_s=10 * DAY, implemented_s=DAY)
    return [(each.id, is_new) for each, is_new in kept]


async def test_what_is_kept_is_found(store: Store):
    draft = a_draft()
    [(id_, is_new)] = await keep(store, draft)
    assert is_new
    found = await find_suggestion(store, id_)
    assert found is not None
    assert (found.draft, found.state, found.ended_at) == (draft, SuggestionState.OPEN, None)
    assert await find_suggestion(store, id_ + 1) is None
    [(other, _)] = await keep(store, a_draft(model="other", expected_gain=None, changes=()))
    assert [each.id for each in await suggestion_page(store, SuggestionState.OPEN, 10)] == [other, id_]
    assert [each.id for each in await suggestion_page(store, None, 1)] == [other]
    assert [each.id for each in await suggestion_page(store, None, 10, other)] == [id_]


async def test_one_that_is_open_gets_the_present_numbers(store: Store):
    [(id_, _)] = await keep(store, a_draft())
    assert await keep(store, a_draft(evidence={"requests": 8})) == [(id_, False)]
    found = await find_suggestion(store, id_)
    assert found is not None
    assert found.draft.evidence == {"requests": 8}


async def test_several_gateways_keep_one(store: Store):
    kept = await asyncio.gather(*(keep(store, a_draft()) for _ in range(5)))
    assert sum(is_new for [(_, is_new)] in kept) == 1
    assert len(await suggestion_page(store, None, 10)) == 1


async def test_what_was_ended_lately_is_passed_over(store: Store):
    [(dismissed, _), (done, _)] = await keep(store, a_draft("a"), a_draft("b"))
    assert await end_suggestion(store, dismissed, SuggestionState.DISMISSED, NOON)
    assert await end_suggestion(store, done, SuggestionState.IMPLEMENTED, NOON)
    assert await keep(store, a_draft("a"), a_draft("b")) == []
    assert await suggestion_page(store, SuggestionState.OPEN, 10) == []
    back = "UPDATE suggestions SET ended_at = ended_at - 172800"  # two days
    await store.write(lambda connection: connection.exec_driver_sql(back))
    assert [is_new for _, is_new in await keep(store, a_draft("a"), a_draft("b"))] == [True]


async def test_marked_once_more_it_stays_as_it_was(store: Store):
    [(id_, _)] = await keep(store, a_draft())
    assert await end_suggestion(store, id_, SuggestionState.IMPLEMENTED, NOON)
    first = await find_suggestion(store, id_)
    assert await end_suggestion(store, id_, SuggestionState.IMPLEMENTED, NOON + 60)
    assert await find_suggestion(store, id_) == first
    assert not await end_suggestion(store, id_ + 1, SuggestionState.DISMISSED, NOON)


async def test_so_many_are_kept(store: Store):
    most = suggestions.MAX_KEPT
    await store.write(
        lambda connection: connection.exec_driver_sql(
            "INSERT INTO suggestions (id, rule, model_name, suggestion_type, title, description, priority, "
            "potential_improvement, evidence, changes, state, created_at, measured_at, ended_at) "
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most + 5}) "
            "SELECT i + 100000, 'r', 'm', 't', 't', 'd', 'low', '', '{}', '[]', 'dismissed', 0, 0, 0 FROM n"
        )
    )
    await keep(store, a_draft())
    count = "SELECT count(*) FROM suggestions WHERE state = 'dismissed'"
    assert await store.read(lambda connection: connection.exec_driver_sql(count).scalar_one()) == most
