"""The store that the settings name."""

from pathlib import Path

import pytest

from remuda.app.exits import CommandError, Exit
from remuda.app.settings import Settings
from remuda.app.stores import opened_store
from remuda.store import StoreUnavailable, store_url_in
from remuda.store.keys import list_keys


async def test_a_store_is_made_with_its_folder(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "a" / "b")
    async with opened_store(settings) as store:
        assert await list_keys(store) == []
    assert settings.store_url == store_url_in(settings.data_dir)
    assert (tmp_path / "a" / "b" / "remuda.db").exists()


async def test_what_goes_wrong_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "remuda.db").write_text("no store")
    with pytest.raises(CommandError, match="is not a Remuda store") as caught:
        async with opened_store(Settings(data_dir=tmp_path)):
            pytest.fail("it opened")
    assert caught.value.code is Exit.STORE
    (tmp_path / "remuda.db").unlink()
    with pytest.raises(CommandError, match="went away"):
        async with opened_store(Settings(data_dir=tmp_path)):
            raise StoreUnavailable("it went away")
