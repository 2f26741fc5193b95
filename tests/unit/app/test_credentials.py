"""Who may come in, as the store and the settings say."""

from pathlib import Path

from remuda.app.credentials import Credentials
from remuda.app.sealing import Sealer
from remuda.app.settings import Settings
from remuda.app.stores import opened_store
from remuda.app.users import KnownUsers
from remuda.core.keys import Key, Scope, digest_of
from remuda.gateway.authenticate import Gatekeeper
from remuda.store import Store
from remuda.store.keys import create_key, revoke_key
from remuda.store.users import add_user, remove_user
from remuda.testing.clock import FakeClock


def made(store: Store, settings: Settings) -> tuple[Credentials, Gatekeeper]:
    clock = FakeClock()
    users = KnownUsers(store, Sealer(settings.data_dir), settings.auth, clock)
    gatekeeper = Gatekeeper(keyless_allowed=True, wall=clock.wall, tokens=users.tokens)
    return Credentials(store, gatekeeper, users, settings, clock), gatekeeper


async def test_a_key_closes_the_door_for_good(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with opened_store(settings) as store:
        credentials, gatekeeper = made(store, settings)
        assert (await credentials.renew(), len(credentials), gatekeeper.is_open) == (0, 0, True)
        await create_key(store, Key("key_1", "one", digest_of(b"secret"), "rmd_", frozenset({Scope.READ}), 1.0))
        assert (await credentials.renew(), len(credentials), gatekeeper.is_open) == (1, 1, False)
        assert gatekeeper.ring.caller_of(b"secret", 2.0).key_id == "key_1"
        await revoke_key(store, "key_1", 2.0)
        assert (await credentials.renew(), len(credentials), gatekeeper.is_open) == (2, 0, False)


async def test_so_does_a_user(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with opened_store(settings) as store:
        credentials, gatekeeper = made(store, settings)
        await add_user(store, "root", "a hash", None, 1.0, frozenset())
        assert (await credentials.renew(), len(credentials), gatekeeper.is_open) == (1, 1, False)
        await remove_user(store, "root")
        assert (await credentials.renew(), len(credentials), gatekeeper.is_open) == (2, 0, False)


async def test_keys_of_the_settings_may_ask_and_read(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, auth={"api_keys": ["a-key-of-my-own-0123"]})
    async with opened_store(settings) as store:
        credentials, gatekeeper = made(store, settings)
        await credentials.renew()
        caller = gatekeeper.ring.caller_of(b"a-key-of-my-own-0123", 2.0)
        assert (caller.key_id, caller.scopes) == ("env-1", {Scope.INFERENCE, Scope.READ})
        assert len(credentials) == 1
