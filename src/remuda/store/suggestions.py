"""Suggestions at rest. Of each rule and model one is open at most, however many gateways look for them."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, and_, delete, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from remuda.core.suggestion import Change, Draft, Gain, Suggestion, SuggestionState
from remuda.store.database import Store
from remuda.store.leases import store_now
from remuda.store.schema_insight_compare import suggestions

MAX_PAGE: Final = 1000
MAX_KEPT: Final = 10_000
"""Suggestions that are over; of more, the oldest are forgotten."""

_evidence: Final = msgspec.json.Decoder(dict[str, Any]).decode
_gain: Final = msgspec.json.Decoder(Gain).decode
_changes: Final = msgspec.json.Decoder(tuple[Change, ...]).decode


async def keep_suggestions(
    store: Store, drafts: Sequence[Draft], now: float, *, dismissed_s: float, implemented_s: float
) -> list[tuple[Suggestion, bool]]:
    """Keep what rules suggest; each suggestion that is open then, and whether it is new.

    One that is open already gets the present numbers. Passed over is what was dismissed less than `dismissed_s` ago, or
    marked as implemented less than `implemented_s` ago.
    """

    def work(connection: Connection) -> list[tuple[Suggestion, bool]]:
        moment = store_now(connection, now)
        ended = or_(
            and_(suggestions.c.state == SuggestionState.DISMISSED.value, suggestions.c.ended_at > moment - dismissed_s),
            and_(
                suggestions.c.state == SuggestionState.IMPLEMENTED.value,
                suggestions.c.ended_at > moment - implemented_s,
            ),
        )
        query = select(suggestions.c.rule, suggestions.c.model_name).where(ended)
        passed_over = {(rule, model) for rule, model in connection.execute(query)}
        kept = [
            _keep(connection, draft, moment) for draft in drafts if (draft.rule, draft.model_name) not in passed_over
        ]
        _forget(connection)
        return kept

    return await store.write(work)


async def suggestion_page(
    store: Store, state: SuggestionState | None, limit: int, before: int | None = None
) -> list[Suggestion]:
    """At most `limit` suggestions in that state (None: in any), newest first, with an id below `before`."""
    query = select(suggestions).order_by(suggestions.c.id.desc()).limit(min(limit, MAX_PAGE))
    if state is not None:
        query = query.where(suggestions.c.state == state.value)
    if before is not None:
        query = query.where(suggestions.c.id < before)
    return await store.read(lambda connection: [suggestion_from(row) for row in connection.execute(query)])


async def find_suggestion(store: Store, id_: int) -> Suggestion | None:
    """The suggestion of that id; None where there is none."""
    query = select(suggestions).where(suggestions.c.id == id_)

    def work(connection: Connection) -> Suggestion | None:
        row = connection.execute(query).one_or_none()
        return None if row is None else suggestion_from(row)

    return await store.read(work)


async def end_suggestion(store: Store, id_: int, state: SuggestionState, now: float) -> bool:
    """Mark it as implemented, or as dismissed; False where there is none of that id. Marked once more as what it is, it
    stays as it was."""

    def work(connection: Connection) -> bool:
        marking = (
            update(suggestions)
            .where(suggestions.c.id == id_, suggestions.c.state != state.value)
            .values(state=state.value, ended_at=store_now(connection, now))
        )
        if connection.execute(marking).rowcount:
            return True
        return connection.execute(select(suggestions.c.id).where(suggestions.c.id == id_)).one_or_none() is not None

    return await store.write(work)


def suggestion_from(row: Any) -> Suggestion:
    """The suggestion in a row of the table."""
    draft = Draft(
        rule=row.rule,
        suggestion_type=row.suggestion_type,
        model_name=row.model_name,
        title=row.title,
        description=row.description,
        priority=row.priority,
        potential_improvement=row.potential_improvement,
        expected_gain=None if row.expected_gain is None else _gain(row.expected_gain),
        evidence=_evidence(row.evidence),
        changes=_changes(row.changes),
    )
    return Suggestion(row.id, SuggestionState(row.state), row.created_at, row.measured_at, row.ended_at, draft)


def _keep(connection: Connection, draft: Draft, moment: float) -> tuple[Suggestion, bool]:
    values = {
        **draft._asdict(),
        "expected_gain": None if draft.expected_gain is None else msgspec.json.encode(draft.expected_gain).decode(),
        "evidence": msgspec.json.encode(draft.evidence).decode(),
        "changes": msgspec.json.encode(draft.changes).decode(),
        "measured_at": moment,
    }
    is_postgres = connection.dialect.name == "postgresql"
    adding: Any = postgresql.insert(suggestions) if is_postgres else sqlite.insert(suggestions)
    same = and_(
        suggestions.c.rule == draft.rule,
        suggestions.c.model_name == draft.model_name,
        suggestions.c.state == SuggestionState.OPEN.value,
    )
    new = adding.values(**values, state=SuggestionState.OPEN.value, created_at=moment).on_conflict_do_nothing(
        index_elements=[suggestions.c.rule, suggestions.c.model_name],
        index_where=text("state = 'open'"),  # as the index says it: a bound value would be no match
    )
    is_new = connection.execute(new).rowcount == 1
    if not is_new:
        connection.execute(update(suggestions).where(same).values(values))
    return suggestion_from(connection.execute(select(suggestions).where(same)).one()), is_new


def _forget(connection: Connection) -> None:
    over = suggestions.c.state != SuggestionState.OPEN.value
    last = select(suggestions.c.id).where(over).order_by(suggestions.c.id.desc()).offset(MAX_KEPT).limit(1)
    bound = connection.execute(last).scalar()
    if bound is not None:
        connection.execute(delete(suggestions).where(over, suggestions.c.id <= bound))
