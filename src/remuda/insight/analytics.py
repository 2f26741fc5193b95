"""How fast, how good and how busy: what the journal comes to, in all and apart."""

import logging
from collections.abc import Awaitable
from typing import TypeVar

from remuda.core.faults import Fault, Unavailable
from remuda.store.database import Store
from remuda.store.errors import StoreError, StoreUnavailable
from remuda.store.rollup_reading import Answer, Question, TooManySingly, answer, values_in

log = logging.getLogger(__name__)

T = TypeVar("T")


class Analytics:
    """Answers questions about spans of time. Raises Unavailable while the store is away, and Fault where it fails."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def answer(self, question: Question) -> Answer:
        """What was asked for."""
        return await _translated(answer(self._store, question))

    async def values(self, dimension: str, start: float, end: float, limit: int) -> list[tuple[str, int]]:
        """The values of a dimension, and how many requests had them, most first."""
        return await _translated(values_in(self._store, dimension, start, end, limit))


async def _translated(asking: Awaitable[T]) -> T:
    try:
        return await asking
    except StoreUnavailable as error:
        raise Unavailable("the journal does not answer at the moment", retry_after_s=1) from error
    except TooManySingly as error:
        raise Unavailable(f"{error} yet: ask for a shorter span, or later", retry_after_s=60) from error
    except (StoreError, ValueError) as error:
        # Its words may tell where the store lies, which is nobody's business who only reads.
        log.exception("analytics: what is kept could not be added up")
        raise Fault("Analytics calculation failed: what is kept cannot be read; the log has the reason") from error
