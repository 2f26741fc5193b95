"""Keys at rest, on each kind of database."""

import pytest
from tests.contract.store.samples import NOON, a_key

from remuda.core.keys import KeyRing, Scope
from remuda.store import Store, StoreRefused, keys


async def test_a_key_comes_back_as_it_was_kept(store: Store):
    key = a_key(scopes=frozenset({Scope.READ, Scope.MANAGE}), expires_at=NOON + 60, weight=3)
    await keys.create_key(store, key)
    assert await keys.list_keys(store) == [key]


async def test_keys_are_listed_oldest_first_revoked_ones_too(store: Store):
    await keys.create_key(store, a_key("second", created_at=NOON + 1))
    await keys.create_key(store, a_key("first", created_at=NOON))
    await keys.revoke_key(store, "key_second", NOON + 5)
    listed = await keys.list_keys(store)
    assert [(key.name, key.revoked_at) for key in listed] == [("first", None), ("second", NOON + 5)]


async def test_a_revoked_key_is_not_usable_and_cannot_be_revoked_again(store: Store):
    await keys.create_key(store, a_key())
    assert await keys.revoke_key(store, "key_laptop", NOON)
    assert not await keys.revoke_key(store, "key_laptop", NOON + 1)
    assert not await keys.revoke_key(store, "key_unknown", NOON)
    _, usable = await keys.usable_keys(store)
    assert usable == []
    assert [key.revoked_at for key in await keys.list_keys(store)] == [NOON]


async def test_a_key_gets_another_weight(store: Store):
    await keys.create_key(store, a_key("one"))
    await keys.create_key(store, a_key("two", weight=2))
    assert await keys.change_weight(store, "key_one", 5)
    revision, usable = await keys.usable_keys(store)
    assert revision == 3
    assert {key.id: key.weight for key in usable} == {"key_one": 5, "key_two": 2}
    await keys.revoke_key(store, "key_two", NOON)
    assert not await keys.change_weight(store, "key_two", 7)
    assert not await keys.change_weight(store, "key_unknown", 7)
    assert {key.id: key.weight for key in await keys.list_keys(store)} == {"key_one": 5, "key_two": 2}


async def test_usable_keys_make_a_ring(store: Store):
    await keys.create_key(store, a_key())
    revision, usable = await keys.usable_keys(store)
    assert revision == await store.revision()
    assert KeyRing(usable).caller_of(b"secret of laptop", NOON).key_id == "key_laptop"


async def test_the_same_digest_is_refused_and_changes_nothing(store: Store):
    await keys.create_key(store, a_key())
    before = await store.revision()
    with pytest.raises(StoreRefused, match="does not take these values") as refused:
        await keys.create_key(store, a_key(id="key_other", name="a name that no error repeats"))
    assert "digest" in str(refused.value)
    assert a_key().digest.hex() not in str(refused.value)
    assert "no error repeats" not in str(refused.value) + str(refused.value.__cause__)
    assert await store.revision() == before
    assert len(await keys.list_keys(store)) == 1


async def test_a_word_finds_a_key_by_id_before_names_and_prefixes(store: Store):
    await keys.create_key(store, a_key("one"))
    await keys.create_key(store, a_key("two", name="key_one"))
    assert [key.id for key in await keys.find_keys(store, "key_one")] == ["key_one"]
    assert [key.id for key in await keys.find_keys(store, "rmd_two")] == ["key_two"]
    assert await keys.find_keys(store, "nobody") == []


async def test_a_name_used_twice_finds_both_the_live_one_first(store: Store):
    await keys.create_key(store, a_key("old", name="ci"))
    await keys.create_key(store, a_key("new", name="ci", created_at=NOON + 1))
    await keys.revoke_key(store, "key_old", NOON + 2)
    assert [key.id for key in await keys.find_keys(store, "ci")] == ["key_new", "key_old"]


async def test_last_use_only_moves_forward_and_is_no_change_of_keys(store: Store):
    await keys.create_key(store, a_key("one"))
    await keys.create_key(store, a_key("two"))
    before = await store.revision()
    await keys.touch_last_used(store, {"key_one": NOON + 9, "key_gone": NOON})
    await keys.touch_last_used(store, {"key_one": NOON + 3})
    await keys.touch_last_used(store, {})
    assert {key.id: key.last_used_at for key in await keys.list_keys(store)} == {"key_one": NOON + 9, "key_two": None}
    assert await store.revision() == before


async def test_every_change_of_keys_raises_the_revision(store: Store):
    seen = [await store.revision()]
    await keys.create_key(store, a_key())
    seen.append(await store.revision())
    await keys.change_weight(store, "key_laptop", 2)
    seen.append(await store.revision())
    await keys.revoke_key(store, "key_laptop", NOON)
    seen.append(await store.revision())
    await keys.revoke_key(store, "key_laptop", NOON)
    await keys.change_weight(store, "key_laptop", 3)
    seen.append(await store.revision())
    assert seen == [0, 1, 2, 3, 3]
