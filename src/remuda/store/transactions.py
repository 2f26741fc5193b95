"""Kinds of transactions, and what runs them."""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Mode(Enum):
    """What a transaction is for."""

    READ = auto()
    SNAPSHOT = auto()
    WRITE = auto()
    JOURNAL = auto()
    JOURNAL_DURABLE = auto()

    @property
    def is_journals(self) -> bool:
        """Whether it runs on the journal's own connection."""
        return self in (Mode.JOURNAL, Mode.JOURNAL_DURABLE)

    @property
    def is_writing(self) -> bool:
        """Whether it may change anything."""
        return self not in (Mode.READ, Mode.SNAPSHOT)


class Database(Protocol):
    """One kind of database: `sqlite.py` and `postgres.py`."""

    async def prepare(self) -> None:
        """Set up what belongs to the database itself and not to our tables."""
        ...

    async def run(self, work: Callable[[Connection], T], mode: Mode) -> T:
        """What `work` returns, run in one transaction; raises what SQLAlchemy and the driver raise."""
        ...

    async def number(self, query: str, values: Sequence[str | float]) -> int:
        """The one number that `query` finds, with `values` for its `$1`, `$2` and so on; for what is asked all the
        time, with as little ado as the driver takes."""
        ...

    async def close(self) -> None:
        """Close all connections, when work that has begun is over."""
        ...
