import pytest

from remuda.fleet.replica import Replica, ReplicaState, Told
from remuda.fleet.told import NOTHING, changed_at, loaded_by, newest, told_by
from tests.fixtures.asgi import replica

OLD = Told(digest="old", modified_at="2026-01-01T00:30:00.123456789+01:00", is_running=True)
NEW = Told(digest="new", modified_at="2026-01-01T00:00:00Z", is_running=False)


def telling(told: Told | None, state: ReplicaState = ReplicaState.ACTIVE) -> Replica:
    made = replica("m", state=state)
    made.told = told
    return made


@pytest.mark.parametrize("order", [1, -1])
def test_who_has_the_newest_tells_of_the_model(order: int) -> None:
    assert told_by([telling(each) for each in [OLD, NEW, None][::order]]) == NEW
    assert told_by([telling(OLD)], own=NEW) == told_by([telling(NEW)], own=OLD) == NEW
    assert told_by([telling(None)]) == newest([]) == NOTHING


def test_of_those_that_have_it_loaded_too() -> None:
    assert loaded_by([telling(NEW), telling(OLD)]) == OLD
    assert loaded_by([telling(NEW), telling(None)]) == NOTHING, "who tells nothing may have it loaded"
    assert loaded_by([telling(NEW)]) is None
    assert loaded_by([telling(OLD, ReplicaState.STANDBY)]) is None


def test_times_of_any_zone_compare() -> None:
    assert changed_at(OLD.modified_at) < changed_at(NEW.modified_at) < changed_at("2026-01-01T00:00:01")
    assert changed_at("yesterday") < changed_at(OLD.modified_at)
