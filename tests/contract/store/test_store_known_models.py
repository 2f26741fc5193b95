"""Names that sources have offered, on each kind of database."""

import asyncio

from tests.contract.store.samples import NOON

from remuda.store import Store
from remuda.store.known_models import MAX_KNOWN, MAX_NAME, note_models, noted_models


async def test_names_are_kept_by_source(store: Store):
    await note_models(store, "one", ["b", "a"], NOON)
    await note_models(store, "two", ["a"], NOON)
    assert await noted_models(store) == {"one": ["a", "b"], "two": ["a"]}


async def test_the_same_name_again_is_kept_once(store: Store):
    await note_models(store, "one", ["a", "a"], NOON)
    await note_models(store, "one", ["a", "c"], NOON + 1)
    assert await noted_models(store) == {"one": ["a", "c"]}


async def test_nothing_noted_is_nothing_kept(store: Store):
    await note_models(store, "one", [], NOON)
    assert await noted_models(store) == {}


async def test_beyond_the_bound_the_names_noted_longest_ago_go(store: Store):
    await note_models(store, "old", [f"m{number:05}" for number in range(MAX_KNOWN)], NOON)
    await note_models(store, "old", ["m00000"], NOON + 1)
    await note_models(store, "new", ["x", "y"], NOON + 2)
    kept = await noted_models(store)
    assert kept["new"] == ["x", "y"]
    assert len(kept["old"]) == MAX_KNOWN - 2
    assert "m00000" in kept["old"], "it was noted again"
    assert not {"m00001", "m00002"} & set(kept["old"])


async def test_names_that_no_database_takes_are_left_out(store: Store):
    await note_models(store, "one", ["nul\x00", "half \ud800", "x" * (MAX_NAME + 1), "läma"], NOON)
    assert await noted_models(store) == {"one": ["läma"]}


async def test_several_may_note_the_same_names_at_once(store: Store):
    names = [f"m{number}" for number in range(50)]
    await asyncio.gather(*(note_models(store, "one", names[::step], NOON) for step in (1, -1, 1, -1)))
    assert len((await noted_models(store))["one"]) == 50
