"""`remuda budgets`."""

import asyncio
import json
import re
from datetime import UTC
from pathlib import Path

import pytest

from remuda.app.cli import main
from remuda.core.budget import BudgetTerms, Period, Scope
from remuda.core.clock import SystemClock
from remuda.core.money import NANO
from remuda.store import open_store, store_url_in
from remuda.store.budgets import add_budget

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMUDA_DATA_DIR", str(tmp_path / "data"))


async def keep(folder: Path) -> None:
    store = await open_store(store_url_in(folder))
    now = SystemClock.wall()
    await add_budget(store, BudgetTerms("all", Period.MONTHLY, 100 * NANO), now, UTC)
    await add_budget(store, BudgetTerms("one", Period.DAILY, NANO, Scope.KEY, "key_1", is_hard=True), now, UTC)
    await store.close()


def test_how_they_stand(capsys: Capture, tmp_path: Path) -> None:
    asyncio.run(keep(tmp_path / "data"))
    assert main(["budgets", "list"]) == 0
    listed = capsys.readouterr().out
    assert re.search(r"^1 +all +monthly +all +0 +100 +0 % +tells +20\S+Z$", listed, re.MULTILINE)
    assert re.search(r"^2 +one +daily +key key_1 +0 +1 +0 % +stops +20\S+Z$", listed, re.MULTILINE)
    assert main(["budgets", "list", "--json"]) == 0
    [everybody, one] = json.loads(capsys.readouterr().out)
    assert (everybody["amount"], one["scope"], one["subject"], one["hard_stop"]) == (100.0, "key", "key_1", True)


def test_without_a_word_it_says_what_there_is(capsys: Capture) -> None:
    assert main(["budgets"]) == 0
    assert "list" in capsys.readouterr().out
