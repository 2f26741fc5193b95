"""Questions whose answers are ready JSON."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from remuda.dialects.observe import questions
from remuda.store import Store, open_store
from tests.contract.store.rollup_cases import add
from tests.contract.store.samples import NOON, a_record

START, END = NOON, NOON + 600


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    records = [a_record(100, model="a", key_id="k", user_id="mia"), a_record(200, model="b", key_id="", user_id="")]
    await add(opened, records, 1)
    yield opened
    await opened.close()


def read(told: bytes) -> Any:
    return msgspec.json.decode(told)


async def test_performance(store: Store) -> None:
    said = read(await questions.performance(store, START, END))
    assert said["summary"]["total_requests"] == 2
    assert said["model_performance"].keys() == {"a", "b"}


async def test_models(store: Store) -> None:
    said = read(await questions.models(store, START, END))
    assert {each["model_name"] for each in said["models"]} == {"a", "b"}
    assert said["time_period_hours"] == 0.17


async def test_a_series(store: Store) -> None:
    said = read(await questions.series(store, START, END, "model", 1, 300))
    assert [group["value"] for group in said["groups"]] == ["a", "other"]
    assert (said["bucket"], len(said["total"])) == ("5m", 3)


@pytest.mark.parametrize(("is_told_all", "keys"), [(True, [{"value": "k", "requests": 1}]), (False, None)])
async def test_values(store: Store, is_told_all: bool, keys: Any) -> None:
    said = read(await questions.values(store, START, END, is_told_all=is_told_all))
    assert {each["value"] for each in said["models"]} == {"a", "b"}
    assert said["keys"] == keys
    assert (said["users"] is None) == (not is_told_all)
