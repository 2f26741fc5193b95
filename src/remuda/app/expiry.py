"""When a key expires, as people say it."""

import re
from datetime import UTC, datetime, timedelta

_SPAN = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def parse_expiry(text: str, now: float) -> float:
    """Wall-clock seconds of `30d`, `12h`, `45m`, `2w` from `now`, or of an ISO date or time (UTC unless it says else).

    Raises ValueError, in one sentence, for anything else and for what has passed already.
    """
    if span := _SPAN.fullmatch(text):
        at = now + int(span[1]) * _UNITS[span[2]].total_seconds()
    else:
        try:
            moment = datetime.fromisoformat(text)
            at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            raise ValueError(
                f"{text!r} is no time: write 30d (or m, h, w), 2027-01-31, or 2027-01-31T12:00:00Z"
            ) from None
    if at <= now:
        raise ValueError(f"{text!r} has passed already")
    return at
