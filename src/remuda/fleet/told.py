"""What several servers tell of one model, taken together. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from remuda.fleet.replica import Replica, Told

NOTHING: Final = Told()
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def told_by(replicas: Iterable[Replica], own: Told | None = None) -> Told:
    """What is told of a model by the one of `replicas` that has the newest; `own` is what its source tells besides."""
    told = [replica.told for replica in replicas if replica.told is not None]
    return newest(told if own is None else [*told, own])


def loaded_by(replicas: Iterable[Replica]) -> Told | None:
    """The same, by those alone that can answer at once: on servers that tell, those that have it loaded. None where
    none can."""
    ready = [replica.told or NOTHING for replica in replicas if replica.is_routable]
    loaded = [told for told in ready if told.is_running is not False]
    return newest(loaded) if loaded else None


def newest(told: Sequence[Told]) -> Told:
    """Of several tellings that of the model changed last; without any, one that tells nothing."""
    return max(told, key=lambda each: changed_at(each.modified_at), default=NOTHING)


def changed_at(modified_at: str) -> datetime:
    """The time that a server writes; long ago where it makes no sense."""
    try:
        when = datetime.fromisoformat(modified_at)
    except ValueError:
        return LONG_AGO
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
