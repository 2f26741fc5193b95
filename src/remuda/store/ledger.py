"""What is kept together with the records that a transaction adds to the journal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from remuda.core.record import RequestRecord

Hook = Callable[[Connection, Sequence[RequestRecord], Sequence[float], int], None]
"""Takes records that the transaction of the connection adds to the journal, their scores, and the id of the first; the
others follow one by one. What it writes there is committed with them, or not at all."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What else a transaction does that adds to the journal."""

    score: Callable[[RequestRecord], float] = lambda record: 0.0
    """How well a request went, from 0 to 1."""
    hooks: tuple[Hook, ...] = ()
    """Called in their order, after the records were added. Transactions that add to the journal follow one another,
    also where several gateways write: what a hook read there nobody changes meanwhile."""


PLAIN: Final = Ledger()
"""Nothing but the records."""
