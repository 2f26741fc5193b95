"""Changed settings, on each kind of database."""

import pytest
from tests.contract.store.samples import NOON

from remuda.store import Store, StoreRefused
from remuda.store.overrides import MAX_VALUE_CHARS, Override, read_overrides, set_override


async def test_what_was_set_last_counts_until_it_is_taken_back(store: Store):
    revisions = [(await read_overrides(store))[0]]
    for value, when in (('"weighted"', NOON), ('"round_robin"', NOON + 1)):
        await set_override(store, "routing.policy", value, when)
        revision, found = await read_overrides(store)
        assert found == {"routing.policy": Override(value, when)}
        revisions.append(revision)
    await set_override(store, "routing.policy", None, NOON + 2)
    revision, found = await read_overrides(store)
    assert found == {}
    assert [*revisions, revision] == sorted({*revisions, revision})


async def test_what_is_too_long_is_refused(store: Store):
    with pytest.raises(StoreRefused, match="too long"):
        await set_override(store, "routing.policies", "x" * (MAX_VALUE_CHARS + 1), NOON)
