"""`remuda prices`."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from remuda.app.cli import main
from remuda.core.money import Price
from remuda.store import open_store, store_url_in
from remuda.store.prices import set_price
from tests.contract.store.samples import NOON

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMUDA_DATA_DIR", str(tmp_path / "data"))


async def keep(folder: Path) -> None:
    store = await open_store(store_url_in(folder))
    await set_price(store, "llama2", Price(1_000_000, 2_000_000, None, 500_000_000), NOON)
    await store.close()


def test_what_models_cost(capsys: Capture, tmp_path: Path) -> None:
    asyncio.run(keep(tmp_path / "data"))
    assert main(["prices", "list"]) == 0
    listed = capsys.readouterr().out
    assert re.search(r"^1 +llama2 +0.001 +- +0.002 +0.5 +2023-11-14T22:13:20Z$", listed, re.MULTILINE)
    assert main(["prices", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"id": 1, "model": "llama2", "input": 0.001, "cached": None, "output": 0.002, "electricity_per_hour": 0.5,
         "since": "2023-11-14T22:13:20Z"},
    ]  # fmt: skip


def test_without_a_word_it_says_what_there_is(capsys: Capture) -> None:
    assert main(["prices"]) == 0
    assert "list" in capsys.readouterr().out
