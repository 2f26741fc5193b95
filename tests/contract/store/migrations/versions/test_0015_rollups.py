"""A store of an older version has its journal rolled up, once, beside what is recorded from then on."""

from tests.contract.store.rollup_cases import add, roll_up
from tests.contract.store.samples import NOON, a_record, insert_old, run_sql

from remuda.core.spans import DAY
from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.rollup_reading import Question, answer
from remuda.store.rollups import roll_up_journal
from remuda.store.versions import migrate

OLD = [a_record(number * 40_000, cost_nano=0) for number in range(3)]


async def test_a_store_of_an_older_version(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0010"))
    for id_, record in enumerate(OLD, 1):
        await insert_old(old, id_, record)
    await old.close()
    store = await open_store(empty_url)

    async def requests() -> int:
        told = await answer(store, Question(NOON - 1, NOON + 2 * DAY))
        return told.total[0].tally.told.requests

    assert await requests() == 3
    await add(store, [a_record(100_000)], 1)
    assert await requests() == 4
    assert await roll_up_journal(store) == 3
    assert await requests() == 4
    await roll_up(store, NOON + 5 * DAY)
    assert await requests() == 4
    await run_sql(store, "DELETE FROM journal")
    whole = await answer(store, Question((NOON - DAY) // DAY * DAY, (NOON + 4 * DAY) // DAY * DAY))
    assert whole.total[0].tally.told.requests == 4
    await store.close()
