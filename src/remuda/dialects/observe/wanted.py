"""Which entries of the journal a query asks for; the log and the exports read it alike."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import Request

from remuda.core.faults import Forbidden, InvalidRequest
from remuda.dialects.observe.parts import MAX_SHOWN, QueryField, sees_all
from remuda.dialects.observe.window import WINDOW, window_in
from remuda.store.journal_reading import JournalFilter
from remuda.store.journal_text import MAX_TERMS, terms_in

Canonical = Callable[[str], str]
"""The name under which the journal has what is asked of the model of this name: an alias is no name of its own."""
MAX_CHARS: Final = 256
"""Of a name, or of the words that are looked for."""
FIELDS: Final = {"model": "model", "replica": "replica", "key": "key_id", "user": "user_id"}
"""What the query calls fields of the journal that are to have one value."""
QUERY: Final = (
    *WINDOW,
    QueryField("model", "Of this model."),
    QueryField("replica", "Answered by this replica."),
    QueryField("key", "Asked with the key of this id."),
    QueryField("user", "Asked for this user."),
    QueryField("status", "`success`, `error`, a status such as `404`, or a class such as `4xx`."),
    QueryField("text", 'With these words in what was kept of prompt and answer; "several words" in a row in quotes.'),
)
"""What a query says of it."""
STATUSES: Final = "success, error, a status such as 404, or a class such as 4xx"


def wanted_in(request: Request, now: float, canonical: Canonical) -> JournalFilter:
    """The filter that the query stands for; who may not see what others asked sees what is its own. Raises
    InvalidRequest."""
    window = window_in(request, now)
    caller = request.state.caller
    fields: dict[str, Any] = {name: text_in(request, asked) for asked, name in FIELDS.items()}
    if fields["model"]:
        fields["model"] = canonical(fields["model"])
    if not sees_all(caller):
        if fields["key_id"] not in (None, caller.key_id):
            raise Forbidden("this key sees only what was asked with itself")
        fields["key_id"] = caller.key_id
    terms = terms_in(text_in(request, "text") or "")
    if len(terms) > MAX_TERMS:
        raise InvalidRequest(f"text has at most {MAX_TERMS} words", parameter="text")
    if not terms and "text" in request.query_params:
        raise InvalidRequest("text is at least a word", parameter="text")
    return JournalFilter(since=window.since, until=window.until, terms=terms, **fields, **_status_in(request))


def text_in(request: Request, name: str) -> str | None:
    """What stands in the query under `name`; None where nothing does. Raises InvalidRequest."""
    said = request.query_params.get(name)
    if said is not None and (len(said) > MAX_CHARS or "\x00" in said):
        raise InvalidRequest(f"{name} has at most {MAX_CHARS} characters", parameter=name, received=said[:MAX_SHOWN])
    return said


def _status_in(request: Request) -> dict[str, Any]:
    said = request.query_params.get("status")
    match said:
        case None:
            return {}
        case "success" | "error":
            return {"has_failed": said == "error"}
    if len(said) == 3 and said[0] in "12345" and said.isascii():
        if said.isdigit():
            return {"status": int(said)}
        if said.endswith("xx"):
            return {"status_class": int(said[0])}
    raise InvalidRequest(f"status is {STATUSES}", parameter="status", received=said[:MAX_SHOWN])
