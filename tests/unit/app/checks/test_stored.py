"""The store, as the doctor sees it."""

from pathlib import Path

from remuda.app.checks.stored import check_door, check_store, credentials_at_hand
from remuda.app.settings import Settings
from remuda.app.stores import opened_store
from remuda.core.keys import Key
from remuda.core.node import Node
from remuda.store.database import store_at
from remuda.store.keys import create_key, revoke_key
from remuda.store.nodes import add_node
from remuda.store.users import add_user
from remuda.store.versions import migrate
from tests.contract.store.samples import keep_older_key


async def test_a_store_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    finding, latest, keys, nodes = await check_store(settings)
    assert (finding.level, latest, keys, nodes) == ("ok", None, 0, ())
    assert await credentials_at_hand(settings) == 0
    assert not (tmp_path / "data").exists()


async def test_a_store_in_use(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with opened_store(settings) as store:
        await create_key(store, Key("key_1", "one", b"1" * 32, "rmd_abcdef", frozenset(), 100.0, last_used_at=200.0))
        await add_node(store, Node(id=0, name="gpu", url="http://10.0.0.5:8000"))
    finding, latest, keys, nodes = await check_store(settings)
    assert (keys, await credentials_at_hand(settings)) == (1, 1)
    assert finding.message == f"{tmp_path}/remuda.db is open and up to date, 1 key"
    assert latest == 200.0
    assert [node.name for node in nodes] == ["gpu"]


async def test_what_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "remuda.db").write_text("something else")
    settings = Settings(data_dir=tmp_path)
    finding, _, keys, _ = await check_store(settings)
    assert finding.level == "fail"
    assert keys is None
    assert await credentials_at_hand(settings) is None
    assert "is not a Remuda store" in finding.message


async def test_revoked_keys_do_not_count_and_a_server_is_not_asked(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with opened_store(settings) as store:
        await create_key(store, Key("key_1", "one", b"1" * 32, "rmd_abcdef", frozenset(), 100.0))
        await revoke_key(store, "key_1", 200.0)
    assert await credentials_at_hand(settings) == 0
    assert await credentials_at_hand(Settings(database_url="postgresql://u@127.0.0.1:1/d")) is None


def test_a_foreign_bind_needs_a_key() -> None:
    foreign = Settings(server={"host": "0.0.0.0"})
    assert [finding.level for finding in check_door(foreign, 0)] == ["fail"]
    assert [finding.level for finding in check_door(foreign, None)] == ["warn"]
    assert check_door(foreign, 1) == []
    assert check_door(Settings(), 0) == []
    assert check_door(Settings(server={"host": "0.0.0.0"}, auth={"api_keys": ["0123456789abcdef"]}), 0) == []
    listeners = Settings(server={"listeners": ["0.0.0.0:1"]})
    assert [finding.level for finding in check_door(listeners, 0)] == ["fail"], "any listener counts"


async def test_a_user_counts_as_a_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with opened_store(settings) as store:
        await add_user(store, "root", "a hash", None, 100.0, frozenset())
    assert (await check_store(settings)).credentials == await credentials_at_hand(settings) == 1


async def test_a_store_from_before_there_were_users(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    store = store_at(settings.store_url)
    await store.write(lambda connection: migrate(connection, "0005"))
    await keep_older_key(store, Key("key_1", "one", b"1" * 32, "rmd_abcdef", frozenset(), 100.0))
    await store.close()
    assert await credentials_at_hand(settings) == 1
