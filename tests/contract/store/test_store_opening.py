"""Opening a store: new, old, newer, foreign, unreachable; by one process and by several."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.contract.store.samples import a_key, run_sql

from remuda.store import Store, StoreError, StoreTooNew, StoreUnavailable, keys, open_store, store_url_in
from remuda.store.database import store_at
from remuda.store.migrations import REVISIONS
from remuda.store.schema import VERSION_TABLE, metadata
from remuda.store.versions import HEAD, bring_up_to_date, version_of


async def test_a_new_store_is_of_this_programs_version(store: Store):
    assert await store.read(version_of) == HEAD == REVISIONS[-1]


async def test_migrations_and_tables_say_the_same(store: Store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def differences(connection):
        def is_ours(name, kind, parents):
            # Each database has a text search of its own, which no schema of both can describe.
            return kind != "table" or not name.startswith("journal_text")

        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        options["include_name"] = is_ours
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert await store.read(differences) == []


def test_the_list_of_versions_is_the_scripts():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "remuda.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(REVISIONS))


async def test_an_opened_store_keeps_what_it_holds(store: Store, store_url: str):
    await keys.create_key(store, a_key())
    again = await open_store(store_url)
    assert len(await keys.list_keys(again)) == 1
    await again.close()


async def test_a_store_of_a_newer_version_is_refused(store: Store, store_url: str):
    await run_sql(store, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreTooNew, match="version 9999, which is newer than this Remuda"):
        await open_store(store_url)


async def test_several_processes_may_open_a_new_store_at_once(empty_url: str):
    gateways = [await asyncio.create_subprocess_exec(sys.executable, "-c", OPEN, empty_url) for _ in range(3)]
    assert [await gateway.wait() for gateway in gateways] == [0, 0, 0]
    store = await open_store(empty_url)
    assert await store.revision() == 3
    await store.close()


async def test_who_waited_for_the_migration_does_not_repeat_it(store: Store):
    await store.write(bring_up_to_date)
    assert await store.revision() == 0


async def test_tables_of_another_program_are_left_alone(empty_url: str):
    # Opened without bringing it to our version: the tables are not ours yet.
    raw = store_at(empty_url)
    await run_sql(raw, "CREATE TABLE keys (id integer)")
    await raw.close()
    with pytest.raises(StoreError, match="tables of another program under names of ours: keys"):
        await open_store(empty_url)


def test_opening_a_current_store_loads_no_migration_tool(store_url: str):
    asyncio.run(_open_and_close(store_url))
    program = f"import sys; {OPEN_ONLY}\nassert 'alembic' not in sys.modules"
    subprocess.run([sys.executable, "-c", program, store_url], check=True)


async def test_the_data_folder_and_the_file_are_for_their_owner_alone(tmp_path: Path):
    store = await open_store(store_url_in(tmp_path / "some" / "data"))
    await keys.create_key(store, a_key())
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "some" / "data").iterdir()}
    assert (tmp_path / "some" / "data").stat().st_mode & 0o777 == 0o700
    assert modes["remuda.db"] == 0o600
    assert set(modes.values()) == {0o600}
    await store.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "the store's URL is not valid"),
        ("mysql://u:secret@h/d", "a store is on sqlite: or postgresql:, not on mysql:"),
        ("sqlite://", "an SQLite store is a file"),
        ("sqlite:///:memory:", "an SQLite store is a file"),
        ("sqlite:////nowhere/at/all.db", "the folder of the store does not exist: /nowhere/at"),
        ("postgresql://u:secret@localhost", "names its database"),
        ("postgresql://u:secret@127.0.0.1:1/d", "does not answer"),
    ],
)
async def test_a_url_that_leads_nowhere_is_refused_in_one_line(url: str, sentence: str):
    with pytest.raises(StoreError, match=sentence) as refused:
        await open_store(url)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_without_the_driver_a_store_on_postgres_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(StoreError, match=r"needs asyncpg: pip install 'remuda\[postgres\]'"):
        await open_store("postgresql://u@127.0.0.1:1/d")


async def test_a_server_that_is_not_there_may_come_later():
    with pytest.raises(StoreUnavailable):
        await open_store("postgresql://u@127.0.0.1:1/d")


@pytest.mark.parametrize("content", [b"hello, this is not a database\n" * 40, b"SQLite format 3\x00" + b"\xff" * 500])
async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes):
    path = tmp_path / "remuda.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"is not a Remuda store|is damaged"):
        await open_store(f"sqlite:///{path}")
    assert path.read_bytes() == content


async def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="cannot write the store"):
        await open_store(f"sqlite:///{tmp_path}")


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the data folder"):
        store_url_in(tmp_path / "file" / "data")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs the users of POSIX")
def test_a_read_only_folder_is_refused_in_one_line(tmp_path: Path):
    with tempfile.TemporaryDirectory() as place:  # not in tmp_path, whose parents are closed to other users
        Path(place).chmod(0o711)
        folder = Path(place) / "data"
        urls = [store_url_in(tmp_path / "writable"), store_url_in(folder)]
        folder.chmod(0o500)
        # Root may write anywhere, so where the tests run as root, the program becomes somebody else; after it has
        # opened a store, because that other user may not reach what Python loads for it.
        program = f"""{OPEN_ONLY}
import os
sys.argv[1] = sys.argv[2]
if os.geteuid() == 0:
    os.chown({str(folder)!r}, 65534, 65534)
    os.setuid(65534)
asyncio.run(main())
"""
        done = subprocess.run([sys.executable, "-c", program, *urls], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "remuda.store.errors.StoreError: cannot write" in done.stderr.splitlines()[-1]


async def test_a_locked_file_is_told_apart_from_a_broken_one(tmp_path: Path):
    url = store_url_in(tmp_path)
    store = await open_store(url)
    with sqlite3.connect(tmp_path / "remuda.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.write_journal(lambda connection: None, is_durable=False)
        other.execute("ROLLBACK")
    other.close()
    await store.write_journal(lambda connection: None, is_durable=False)
    await store.close()


OPEN_ONLY = """
import asyncio, sys
from remuda.store import open_store
async def main():
    store = await open_store(sys.argv[1])
    await store.close()
asyncio.run(main())
"""

OPEN = """
import asyncio, sys
from remuda.store import open_store
from remuda.store.database import raise_revision
async def main():
    store = await open_store(sys.argv[1])
    await store.write(raise_revision)
    await store.close()
asyncio.run(main())
"""


async def _open_and_close(url: str) -> None:
    await (await open_store(url)).close()
