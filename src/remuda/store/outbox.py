"""Messages that are due to somebody elsewhere, in whichever table: claimed with a lease, settled, in time forgotten.

A table of messages has the columns `seq`, `origin`, `state`, `due_at`, `sent_at`, `delivered_at`, `sender`, `claims`,
`attempts`, `status`, `error` and `text`, which is let go of when a message is over.
"""

from collections.abc import Callable, Collection
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Double, Row, Table, and_, bindparam, delete, or_, select, update

from remuda.core.delivery import Claimed, DeliveryState, Sent
from remuda.store.database import Store
from remuda.store.leases import store_now
from remuda.store.queries import is_one_of

MAX_AHEAD_S: Final = 7 * 24 * 3600.0
"""A time further ahead than any delay lasts was written by a clock that has been put back since."""
MAX_EXPIRED: Final = 1000
"""Messages forgotten in one transaction."""

_OPEN: Final = (DeliveryState.DUE.value, DeliveryState.SENDING.value)

Claim = TypeVar("Claim", bound=Claimed)


class Outbox(Generic[Claim]):
    """The messages of one table. Any number of senders may work on them."""

    def __init__(self, table: Table, claim_from: Callable[[Row[Any]], Claim]) -> None:
        """`claim_from` reads a row that was just claimed."""
        self._table = table
        self._claim_from = claim_from
        self._first_due = select(table.c.seq).where(self._is_due(bindparam("moment", type_=Double), ())).limit(1)

    async def has_due(self, store: Store, now: float, but_to: Collection[str] = ()) -> bool:
        """Whether any may be claimed: asked often, and cheaper than to claim."""

        def work(connection: Connection) -> bool:
            moment = store_now(connection, now)
            if but_to:
                first = select(self._table.c.seq).where(self._is_due(moment, but_to)).limit(1)
                return connection.execute(first).first() is not None
            return connection.execute(self._first_due, {"moment": moment}).first() is not None

        return await store.read(work)

    async def claim(
        self, store: Store, sender: str, limit: int, now: float, lease_s: float, but_to: Collection[str] = ()
    ) -> list[Claim]:
        """Up to `limit` messages for `sender`, those that have been due for longest; it must say within `lease_s` what
        came of each, or another sender gets it. `but_to`: origins for which it has enough already."""
        m = self._table.c

        def work(connection: Connection) -> list[Claim]:
            moment = store_now(connection, now)
            turn = (
                select(m.seq)
                .where(self._is_due(moment, but_to))
                .order_by(m.due_at, m.seq)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            claiming = (
                update(self._table)
                .where(m.seq.in_(turn.scalar_subquery()))
                .values(
                    state=DeliveryState.SENDING.value,
                    sender=sender,
                    claims=m.claims + 1,
                    attempts=m.attempts + 1,
                    sent_at=moment,
                    due_at=moment + lease_s,
                )
                .returning(self._table)
            )
            return [self._claim_from(row) for row in sorted(connection.execute(claiming), key=lambda row: row.seq)]

        return await store.write(work)

    async def settle(
        self, store: Store, claim: Claim, sent: Sent, now: float, *, again_s: float | None, retention_s: float
    ) -> bool:
        """Keep what came of an attempt; `again_s`: after how long the next is made, None where there is to be none.
        False where the claim holds no longer, and nothing was kept."""
        m = self._table.c
        is_over = sent.is_delivered or again_s is None

        def work(connection: Connection) -> bool:
            moment = store_now(connection, now)
            state = DeliveryState.DELIVERED if sent.is_delivered else DeliveryState.GIVEN_UP
            settling = (
                update(self._table)
                .where(
                    m.seq == claim.seq,
                    m.sender == claim.sender,
                    m.claims == claim.number,
                    m.state == DeliveryState.SENDING.value,
                )
                .values(
                    state=state.value if is_over else DeliveryState.DUE.value,
                    sender=None,
                    due_at=moment + (retention_s if is_over else again_s or 0.0),
                    delivered_at=moment if sent.is_delivered else None,
                    status=sent.status,
                    error=sent.error,
                    **({"text": None} if is_over else {}),
                )
            )
            return connection.execute(settling).rowcount == 1

        return await store.write(work)

    async def forget(self, store: Store, now: float) -> int:
        """Forget those that have been over for long enough; how many."""
        m = self._table.c

        def work(connection: Connection) -> int:
            moment = store_now(connection, now)
            old = select(m.seq).where(m.state.not_in(_OPEN), m.due_at <= moment).limit(MAX_EXPIRED)
            return connection.execute(delete(self._table).where(m.seq.in_(old.scalar_subquery()))).rowcount

        return await store.write(work)

    def _is_due(self, moment: float | ColumnElement[float], but_to: Collection[str]) -> ColumnElement[bool]:
        m = self._table.c
        is_time = or_(m.due_at <= moment, m.due_at > moment + MAX_AHEAD_S)
        is_due = and_(is_one_of(m.state, _OPEN), is_time)
        return and_(is_due, m.origin.not_in(but_to)) if but_to else is_due


def origin_of(url: str) -> str:
    """Scheme, host and port of a webhook's URL, in small letters."""
    return "/".join(url.lower().split("?")[0].split("/", 3)[:3])
