"""How busy machines were, minute by minute."""

from remuda.store import Store
from remuda.store.machine import Busy, busy_minutes, note_minute, prune_minutes


async def test_means_over_machines_and_steps(store: Store):
    await note_minute(store, "a", 100, Busy(10.0, 50.0))
    await note_minute(store, "b", 100, Busy(30.0, 70.0, 40.0))
    await note_minute(store, "a", 101, Busy(20.0, 60.0))
    await note_minute(store, "a", 105, Busy(1.0, 2.0, 3.0))
    assert await busy_minutes(store, 100, 105, 1) == {100: Busy(20.0, 60.0, 40.0), 101: Busy(20.0, 60.0, None)}
    assert await busy_minutes(store, 100, 106, 5) == {100: Busy(20.0, 60.0, 40.0), 105: Busy(1.0, 2.0, 3.0)}


async def test_the_first_to_tell_of_a_minute_counts(store: Store):
    await note_minute(store, "a", 7, Busy(1.0, 1.0))
    await note_minute(store, "a", 7, Busy(2.0, 2.0))
    assert await busy_minutes(store, 0, 10, 1) == {7: Busy(1.0, 1.0)}


async def test_old_minutes_go(store: Store):
    for minute in range(5):
        await note_minute(store, "a", minute, Busy(1.0, 1.0))
    assert await prune_minutes(store, 3) == 3
    assert sorted(await busy_minutes(store, 0, 10, 1)) == [3, 4]
