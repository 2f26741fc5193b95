"""From when to when a question goes: `hours`, or `from` and `to`."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from fastapi import Request

from remuda.core.faults import InvalidRequest
from remuda.core.moments import iso_time
from remuda.dialects.observe.parts import HOURS, MAX_SHOWN, QueryField, hours_in

HOUR_S: Final = 3600.0

WINDOW: Final = (
    QueryField("hours", "How many hours back; 24 by default.", "integer"),
    QueryField("from", "Instead of hours: from this moment on (RFC 3339)."),
    QueryField("to", "Instead of hours: before this moment (RFC 3339)."),
)
"""What a query says of it."""


class Window(NamedTuple):
    """Wall clock, seconds since 1970: from `since` on, before `until`."""

    since: float
    until: float | None
    """None: for ever, so that what comes meanwhile is in it."""


def window_in(request: Request, now: float) -> Window:
    """The time that the query names: the last `hours` (24 by default), or what is between `from` and `to`, either of
    which may be left out. Raises InvalidRequest."""
    query = request.query_params
    if "from" not in query and "to" not in query:
        return Window(now - hours_in(request) * HOUR_S, None)
    if "hours" in query:
        raise InvalidRequest("either hours, or from and to, not both", parameter="hours")
    until = moment_in(request, "to")
    since = moment_in(request, "from")
    if since is None:
        since = (now if until is None else until) - HOURS * HOUR_S
    if until is not None and until <= since:
        raise InvalidRequest("to is later than from", parameter="to", received=iso_time(until))
    return Window(since, until)


def moment_in(request: Request, name: str) -> float | None:
    """The moment in the query under `name`, as RFC 3339 has it, or a date, which is its beginning; in UTC where it does
    not say otherwise. None where there is none. Raises InvalidRequest."""
    said = request.query_params.get(name)
    if said is None:
        return None
    try:
        moment = datetime.fromisoformat(said)
        at = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        at = -1.0
    if at < 0:
        raise InvalidRequest(
            f"{name} is a moment such as 2026-11-20T23:34:43Z", parameter=name, received=said[:MAX_SHOWN]
        )
    return at
