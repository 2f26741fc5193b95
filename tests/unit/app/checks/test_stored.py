"""The store, as the doctor sees it."""

from pathlib import Path

from remuda.app.checks.stored import check_store
from remuda.app.settings import Settings
from remuda.app.stores import opened_store
from remuda.core.keys import Key
from remuda.store.keys import create_key


async def test_a_store_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    (finding,), latest = await check_store(settings)
    assert (finding.level, latest) == ("ok", None)
    assert not (tmp_path / "data").exists()


async def test_a_store_in_use(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with opened_store(settings) as store:
        await create_key(store, Key("key_1", "one", b"1" * 32, "rmd_abcdef", frozenset(), 100.0, last_used_at=200.0))
    (finding,), latest = await check_store(settings)
    assert finding.message == f"{tmp_path}/remuda.db is open and up to date, 1 key"
    assert latest == 200.0


async def test_what_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "remuda.db").write_text("something else")
    (finding,), _ = await check_store(Settings(data_dir=tmp_path))
    assert finding.level == "fail"
    assert "is not a Remuda store" in finding.message
