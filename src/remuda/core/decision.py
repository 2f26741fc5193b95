"""Why a request went to the replica that it went to, as the journal keeps it."""

from collections.abc import Sequence
from typing import Final

import msgspec

MAX_TOLD: Final = 20
"""Candidates that one decision lists; of the others it says how many there were."""
MAX_KEPT: Final = 20
"""Decisions that are kept of one request, the last ones."""
MAX_BYTES: Final = 4096
"""All that the journal keeps of one request's decisions; where they are longer, fewer candidates are listed."""

ONLY: Final = "only"
"""Nobody else could have been chosen."""
IDLE: Final = "idle"
"""It had nothing to do, so that the others were not looked at."""
SESSION: Final = "session"
"""The request's session is at home there."""
COUNTING: Final = "counting"
"""It can count tokens; no slot is taken for that."""

_encode: Final = msgspec.json.Encoder().encode
_WORDS: Final = {
    ONLY: "as the only one",
    IDLE: "as it was idle",
    SESSION: "by its session",
    COUNTING: "as it can count tokens",
}


class Decision(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One choice: who was chosen, why, and who else could have been."""

    attempt: int
    """For which attempt, from 1 on."""
    by: str
    """The policy's name; else `session`, `only`, `idle` (it had nothing to do, so the others were not looked at) or
    `counting` (it can count tokens)."""
    chosen: str
    """Id of the replica."""
    of: tuple[tuple[str, int, int], ...] = ()
    """The candidates: id, slots in use before this request, slots. At most 20."""
    more: int = 0
    """How many candidates there were beyond those; with `idle`, how many replicas were not looked at."""
    after: str = ""
    """Why there was another attempt: the code of the fault that the one before it ended with."""
    alias: str = ""
    """What the client asked for, where that stands for several models."""
    model: str = ""
    """Which of them was taken."""
    passed_over: tuple[tuple[str, str], ...] = ()
    """Those that stand before it, and why each was not taken."""


def in_words(decision: Decision) -> str:
    """The decision for people, on one line."""
    said = f"{decision.chosen} {_WORDS.get(decision.by) or f'by {decision.by}'}"
    if decision.of:
        said += ", of " + ", ".join(f"{name} ({in_use}/{total})" for name, in_use, total in decision.of)
    if decision.more:
        said += f" and {decision.more} more"
    if decision.alias:
        said += f"; {decision.alias} stands for {decision.model} now"
        said += "".join(f", {model} was passed over ({why})" for model, why in decision.passed_over)
    return said + (f"; another attempt after {decision.after}" if decision.after else "")


def rendered(decisions: Sequence[Decision]) -> str | None:
    """The decisions as JSON of at most `MAX_BYTES`; None where even the last one is longer than that, or has in it what
    is no text (half a surrogate pair in a name)."""
    try:
        text = _encode(decisions)
        if len(text) <= MAX_BYTES:  # nearly all
            return text.decode()
        for kept, told in ((MAX_KEPT, 4), (4, 1), (1, 0)):
            text = _encode([_shortened(decision, told) for decision in decisions[-kept:]])
            if len(text) <= MAX_BYTES:
                return text.decode()
    except UnicodeEncodeError:
        pass
    return None


def decisions_in(text: str | None) -> list[Decision]:
    """What `rendered` has made, this version's or another's; nothing where it cannot be read."""
    try:
        return msgspec.json.decode(text, type=list[Decision]) if text else []
    except (msgspec.MsgspecError, UnicodeError):
        return []


def _shortened(decision: Decision, told: int) -> Decision:
    cut = len(decision.of) - told
    if cut <= 0:
        return decision
    return msgspec.structs.replace(decision, of=decision.of[:told], more=decision.more + cut)
