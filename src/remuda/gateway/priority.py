"""Part of the step `limit`: in how much of a hurry a request may be."""

from collections.abc import Mapping
from typing import Final

from remuda.core.faults import Forbidden, InvalidRequest
from remuda.core.keys import Caller, Scope
from remuda.core.priority import WORDS, Priority

HEADER: Final = b"x-remuda-priority"


def priority_in(fields: Mapping[bytes, bytes]) -> Priority:
    """The class that a request's headers ask for, which `check_priority` has let pass."""
    asked = fields.get(HEADER)
    return Priority.NORMAL if asked is None else WORDS.get(asked.decode("latin-1").strip().lower(), Priority.NORMAL)


def check_priority(asked: bytes, caller: Caller) -> None:
    """Raise InvalidRequest for a word that is none, Forbidden where `caller` may not be served before others.

    Anybody may step back; stepping forward takes from others, and needs the scope that may manage.
    """
    word = asked.decode("latin-1").strip().lower()
    if word not in WORDS:
        raise InvalidRequest(
            "the header X-Remuda-Priority has no such value",
            parameter="X-Remuda-Priority",
            received=word[:100],
            expected=", ".join(WORDS),
        )
    if WORDS[word] < Priority.NORMAL and not caller.may(Scope.MANAGE):
        raise Forbidden("this API key may not ask for a higher priority than normal: that needs the scope manage")
