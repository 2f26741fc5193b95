"""The journal that questions are asked about: what it says it is, and added up as it would be."""

from pathlib import Path

from bench.insight import KEYS, MODELS, REPLICAS, USERS, fill, records

from remuda.core.spans import DAY
from remuda.store import open_store, store_url_in
from remuda.store.rollup_reading import Question, answer
from tests.contract.store.samples import NOON


def test_records_are_of_all_kinds_and_in_their_time() -> None:
    made = list(records(5000, NOON, DAY))
    assert made == list(records(5000, NOON, DAY))
    assert NOON < made[0].started_at < made[-1].started_at < NOON + 1.02 * DAY
    for name, count in (("model", MODELS), ("replica", REPLICAS), ("key_id", KEYS), ("user_id", USERS)):
        kinds = {getattr(record, name) for record in made}
        assert 0.9 * count < len(kinds) <= count


async def test_a_journal_that_was_filled_is_added_up(tmp_path: Path) -> None:
    told: list[str] = []
    await fill(store_url_in(tmp_path), 700, told.append)
    store = await open_store(store_url_in(tmp_path))
    for dimension in ("all", "user"):
        found = await answer(store, Question(0, 2**33, dimension, top=500))
        assert found.total[0].tally.told.requests == 700
        parts = [points[0].tally.told.requests for points in found.groups.values()]
        assert dimension == "all" or sum(parts) == 700
    assert told[-1].startswith("700 records in ")
    await store.close()
