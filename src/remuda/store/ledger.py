"""What is kept together with the records that a transaction adds to the journal."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from remuda.core.record import RequestRecord

Hook = Callable[[Connection, Sequence[RequestRecord], Sequence[float], int], None]
"""Takes records that the transaction of the connection adds to the journal, their scores, and the id of the first; the
others follow one by one. What it writes there is committed with them, or not at all."""


Redact = Callable[[Sequence[RequestRecord]], Sequence[RequestRecord]]
"""Takes out of the text of records what must not be kept. May take its time: it is called in a thread."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What else is done where something is added to the journal."""

    score: Callable[[RequestRecord], float] = lambda record: 0.0
    """How well a request went, from 0 to 1."""
    hooks: tuple[Hook, ...] = ()
    """Called in their order, after the records were added. Transactions that add to the journal follow one another,
    also where several gateways write: what a hook read there nobody changes meanwhile."""
    redact: Redact | None = None
    """Applied before a transaction; None: all text may be kept."""

    async def redacted(self, records: Sequence[RequestRecord]) -> Sequence[RequestRecord]:
        """The records as they may be kept."""
        if self.redact is None or not any(map(_has_text, records)):
            return records
        return await asyncio.to_thread(self.redact, records)


def _has_text(record: RequestRecord) -> bool:
    return record.prompt_text is not None or record.answer_text is not None


PLAIN: Final = Ledger()
"""Nothing but the records."""
