"""What was spent, as ready JSON; the route's test has the whole shape."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from remuda.core.money import NANO, Price
from remuda.dialects.observe.spending import spending
from remuda.store import open_store
from tests.contract.store.rollup_cases import add
from tests.contract.store.samples import NOON, a_record

HOURLY = Price(electricity_nano=1)


@pytest.mark.parametrize(
    ("prices", "estimated"),
    [({}, set()), ({"a": HOURLY}, {"a"}), ({"*": HOURLY}, {"a", "b"}), ({"*": HOURLY, "a": Price(1)}, {"b"})],
)
async def test_estimates_are_of_models_that_are_charged_by_the_hour(
    tmp_path: Path, prices: Mapping[str, Price], estimated: set[str]
) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    await add(store, [a_record(1, model="a", cost_nano=NANO), a_record(2, model="b", cost_nano=NANO)], 1)
    said = msgspec.json.decode(await spending(store, NOON, NOON + 3600, prices, None, is_told_all=False))
    await store.close()
    assert (said["total_cost"], said["cloud_cost"], said["cost_by_key"], said["cost_by_user"]) == (
        2.0,
        None,
        None,
        None,
    )
    assert {name for name, each in said["cost_breakdown"].items() if each["is_estimate"]} == estimated
