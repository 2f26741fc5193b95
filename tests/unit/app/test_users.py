"""The users of a running gateway."""

import asyncio
from pathlib import Path

import pytest

from remuda.app.sealing import KEY_FILE, Sealer
from remuda.app.settings import AuthSettings, Settings
from remuda.app.stores import opened_store
from remuda.app.users import KnownUsers
from remuda.core.faults import InvalidCredential, Unavailable
from remuda.core.keys import Scope
from remuda.store.users import add_user, list_users, remove_user
from remuda.testing.clock import FakeClock
from tests.fixtures.asgi import PASSWORD, user


async def test_users_are_followed_and_log_in(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened_store(Settings(data_dir=tmp_path)) as store:
        known = KnownUsers(store, Sealer(tmp_path), AuthSettings(), clock)
        assert await known.renew() == (0, [], False)
        assert not (tmp_path / KEY_FILE).exists(), "no key is made unasked"
        await add_user(store, "root", user().password, None, 1.0, frozenset())
        assert (await known.renew()).have_been
        pair = await known.log_in.log_in("root", PASSWORD, None)
        assert known.tokens.caller_of(pair.access.encode()).may(Scope.ADMIN)
        assert [each.last_login_at for each in (await list_users(store)).users] == [clock.wall()]
        await remove_user(store, "root")
        await known.renew()
        with pytest.raises(InvalidCredential):
            known.tokens.caller_of(pair.access.encode())
        known.close()


async def test_gateways_with_one_secret_take_each_others_tokens(tmp_path: Path) -> None:
    async with opened_store(Settings(data_dir=tmp_path)) as store:
        await add_user(store, "root", user().password, None, 1.0, frozenset())
        one, other, foreign = (
            KnownUsers(store, Sealer(tmp_path / folder, secret), AuthSettings(), FakeClock())
            for folder, secret in (("one", "a shared secret"), ("other", "a shared secret"), ("foreign", "another"))
        )
        for known in (one, other, foreign):
            await known.renew()
        pair = await one.log_in.log_in("root", PASSWORD, None)
        assert other.tokens.caller_of(pair.access.encode()).name == "root"
        with pytest.raises(InvalidCredential):
            foreign.tokens.caller_of(pair.access.encode())


async def test_tokens_last_as_the_settings_say(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened_store(Settings(data_dir=tmp_path)) as store:
        await add_user(store, "root", user().password, None, 1.0, frozenset())
        known = KnownUsers(store, Sealer(tmp_path), AuthSettings(access_token_s=10, refresh_token_s=20), clock)
        await known.renew()
        pair = await known.log_in.log_in("root", PASSWORD, None)
        clock.step_wall(10)
        with pytest.raises(InvalidCredential):
            known.tokens.caller_of(pair.access.encode())
        assert known.tokens.renewed(pair.refresh)
        clock.step_wall(10)
        with pytest.raises(InvalidCredential):
            known.tokens.renewed(pair.refresh)


async def test_a_key_file_that_cannot_be_used_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / KEY_FILE).write_text("damaged")
    async with opened_store(Settings(data_dir=tmp_path)) as store:
        await add_user(store, "root", user().password, None, 1.0, frozenset())
        known = KnownUsers(store, Sealer(tmp_path), AuthSettings(), FakeClock())
        await known.renew()
        with pytest.raises(Unavailable, match="nobody can log in at the moment"):
            await known.log_in.log_in("root", PASSWORD, None)
    assert KEY_FILE in caplog.text


async def test_a_store_that_goes_away_stops_no_log_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened_store(Settings(data_dir=tmp_path)) as store:
        await add_user(store, "root", user().password, None, 1.0, frozenset())
        known = KnownUsers(store, Sealer(tmp_path), AuthSettings(), FakeClock())
        await known.renew()
        # Away: another process has taken the table.
        await store.write(lambda connection: connection.exec_driver_sql("ALTER TABLE users RENAME TO gone"))
        assert (await known.log_in.log_in("root", PASSWORD, None)).access
    assert "a log-in could not be noted" in caplog.text


async def test_a_session_that_was_ended_is_so_everywhere_and_after_a_restart(tmp_path: Path) -> None:
    async with opened_store(Settings(data_dir=tmp_path)) as store:
        await add_user(store, "root", user().password, None, 1.0, frozenset())
        one, other = (KnownUsers(store, Sealer(tmp_path), AuthSettings(), FakeClock()) for _ in range(2))
        for known in (one, other):
            await known.renew()
        pair = await one.log_in.log_in("root", PASSWORD, None)
        assert other.tokens.caller_of(pair.access.encode()).name == "root"
        reading = asyncio.create_task(one.renew())  # which knows nothing of it yet, and takes nothing back
        await asyncio.sleep(0)
        await one.log_in.log_out([pair.access.encode()])
        await reading
        await other.renew()
        later = KnownUsers(store, Sealer(tmp_path), AuthSettings(), FakeClock())
        await later.renew()
        for known in (one, other, later):
            with pytest.raises(InvalidCredential):
                known.tokens.caller_of(pair.access.encode())
            with pytest.raises(InvalidCredential):
                known.tokens.renewed(pair.refresh)


async def test_without_the_store_nobody_is_told_that_a_session_has_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened_store(Settings(data_dir=tmp_path)) as store:
        await add_user(store, "root", user().password, None, 1.0, frozenset())
        known = KnownUsers(store, Sealer(tmp_path), AuthSettings(), FakeClock())
        await known.renew()
        pair = await known.log_in.log_in("root", PASSWORD, None)
        await store.write(lambda connection: connection.exec_driver_sql("ALTER TABLE ended_sessions RENAME TO gone"))
        with pytest.raises(Unavailable) as refused:
            await known.log_in.log_out([pair.access.encode()])
        assert refused.value.retry_after_s == 1
        assert known.tokens.renewed(pair.refresh)
    assert "a session could not be ended" in caplog.text
