"""Users at rest, on each kind of database."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.contract.store.samples import NOON

from remuda.core.keys import Scope
from remuda.core.users import Session, User
from remuda.store import Store, users

READING = frozenset({Scope.READ})
ADMIN = frozenset({Scope.ADMIN})


async def add(store: Store, name: str = "root", scopes: frozenset[Scope] | None = None) -> User:
    return await users.add_user(store, name, f"hash of {name}", scopes, NOON, READING)


async def test_a_user_comes_back_as_it_was_kept(store: Store):
    user = await add(store, scopes=frozenset({Scope.READ, Scope.MANAGE}))
    assert user == User("root", "hash of root", frozenset({Scope.READ, Scope.MANAGE}), 1, NOON)
    assert (await users.list_users(store)).users == [user]


async def test_the_first_is_the_administrator(store: Store):
    assert (await add(store, "zoe")).scopes == ADMIN
    assert (await add(store, "ann")).scopes == READING
    assert (await add(store, "max", ADMIN)).scopes == ADMIN
    assert [user.name for user in (await users.list_users(store)).users] == ["ann", "max", "zoe"]


async def test_of_two_first_ones_at_once_one_is_the_administrator(store: Store):
    made = await asyncio.gather(*(add(store, name) for name in ("ann", "max")))
    assert sorted(user.epoch for user in made) == [1, 2]
    assert sorted((user.scopes for user in made), key=sorted) == [ADMIN, READING]


async def test_a_name_is_taken_once(store: Store):
    await add(store)
    before = await store.revision()
    with pytest.raises(users.UserTaken, match="a user called 'root' already"):
        await add(store)
    assert await store.revision() == before
    assert len((await users.list_users(store)).users) == 1


async def test_no_epoch_comes_twice(store: Store):
    first = await add(store)
    assert await users.change_password(store, "root", "another hash")
    (changed,) = (await users.list_users(store)).users
    assert (changed.password, changed.epoch, changed.created_at) == ("another hash", first.epoch + 1, NOON)
    assert await users.remove_user(store, "root")
    assert (await add(store)).epoch > changed.epoch


async def test_who_is_not_there_is_not_changed(store: Store):
    before = await store.revision()
    assert not await users.change_password(store, "nobody", "hash")
    assert not await users.remove_user(store, "nobody")
    await users.note_login(store, "nobody", NOON)
    assert await store.revision() == before


async def test_what_gateways_hold_raises_the_revision(store: Store):
    seen = [(await users.list_users(store)).revision]
    await add(store)
    seen.append((await users.list_users(store)).revision)
    await users.change_password(store, "root", "hash")
    seen.append((await users.list_users(store)).revision)
    await users.note_login(store, "root", NOON + 5)
    seen.append((await users.list_users(store)).revision)
    await users.remove_user(store, "root")
    seen.append((await users.list_users(store)).revision)
    assert seen == [0, 1, 2, 2, 3]


async def test_a_log_in_is_noted(store: Store):
    await add(store)
    await users.note_login(store, "root", NOON + 5)
    assert [user.last_login_at for user in (await users.list_users(store)).users] == [NOON + 5]


async def test_that_there_have_been_users_is_not_forgotten(store: Store):
    assert not (await users.list_users(store)).have_been
    await add(store)
    await users.remove_user(store, "root")
    assert await users.list_users(store) == (2, [], True)


async def test_sessions_that_were_ended_are_kept_until_their_tokens_have_run_out(store: Store):
    await add(store)
    before = await store.revision()
    await users.end_session(store, Session("one", "root", NOON + 10), NOON)
    await asyncio.gather(*(users.end_session(store, Session("two", "root", NOON + 20), NOON) for _ in range(3)))
    assert await users.list_ended_sessions(store) == {"one", "two"}
    assert await store.revision() == before + 2, "once for each"
    await users.end_session(store, Session("three", "root", NOON + 30), NOON + 10)
    assert await users.list_ended_sessions(store) == {"two", "three"}


@pytest.mark.parametrize("work", [users.remove_user, lambda store, name: users.change_password(store, name, "hash")])
async def test_where_all_tokens_end_nothing_is_kept_of_sessions(
    store: Store, work: Callable[[Store, str], Awaitable[bool]]
):
    for name in ("root", "ann"):
        await add(store, name)
        await users.end_session(store, Session(f"of {name}", name, NOON + 10), NOON)
    assert await work(store, "root")
    assert await users.list_ended_sessions(store) == {"of ann"}


async def test_beyond_so_many_ended_sessions_all_of_the_user_end(store: Store):
    first = await add(store)
    other = await add(store, "ann")
    for number in range(2):
        await users.end_session(store, Session(f"{number}", "root", NOON + 10), NOON, most=2)
    assert (await users.list_users(store)).users == [other, first]
    await users.end_session(store, Session("2", "root", NOON + 10), NOON, most=2)
    unchanged, changed = (await users.list_users(store)).users
    assert unchanged == other
    assert changed.epoch > other.epoch
    assert await users.list_ended_sessions(store) == frozenset()
