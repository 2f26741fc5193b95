"""How a fake upstream behaves: its speed, the shape of its answers, and the fault it commits, when and how often."""

from enum import StrEnum
from typing import Any

import msgspec


class Fault(StrEnum):
    """What goes wrong. "In mid-answer" is after `after_chunks` chunks of a stream, or half of a body."""

    NONE = "none"
    """All goes well."""
    HANG = "hang"
    """The request is read and never answered."""
    NEVER_READING = "never-reading"
    """The head is read, nothing after it, so that even the client's leaving goes unnoticed; nothing is answered."""
    DROP_BEFORE_HEAD = "drop-before-head"
    """The connection is closed instead of an answer."""
    DROP_MID_HEAD = "drop-mid-head"
    """The connection is closed in the middle of the head."""
    DROP_MID_STREAM = "drop-mid-stream"
    """The connection is closed in mid-answer."""
    STALL = "stall"
    """Silence in mid-answer, the connection stays open."""
    END_EARLY = "end-early"
    """The stream's framing ends cleanly in mid-answer: no finish reason, no usage, no [DONE]."""
    NO_DONE = "no-done"
    """The stream is whole but for its end: [DONE], or the line with `done`."""
    ERROR_IN_STREAM = "error-in-stream"
    """An error event (or line) in mid-answer, then a clean end without [DONE]."""
    ERROR = "error"
    """The answer is an error of `status`, in the shape of the kind of server it plays."""
    HTML = "html"
    """A page for people instead of the answer, with status 200."""
    LENGTH_TOO_LONG = "length-too-long"
    """Content-Length promises more than is sent; then the connection is closed."""
    LENGTH_TOO_SHORT = "length-too-short"
    """Content-Length promises less than is sent."""
    LENGTH_TWICE = "length-twice"
    """Two Content-Length fields that contradict each other."""
    LENGTH_AND_CHUNKED = "length-and-chunked"
    """Content-Length and Transfer-Encoding in one head."""
    MALFORMED_CHUNK = "malformed-chunk"
    """A chunk size that is no number, in mid-answer; the connection stays open."""
    MALFORMED_HEAD = "malformed-head"
    """A head that is not HTTP; the connection stays open."""


class Framing(StrEnum):
    """How the end of a body is told."""

    AUTO = "auto"
    """Chunked for a stream, Content-Length otherwise."""
    CHUNKED = "chunked"
    LENGTH = "length"
    CLOSE = "close"
    """Neither: the body ends with the connection."""
    HTTP10 = "http10"
    """As CLOSE, from a server that speaks HTTP/1.0."""


class Packing(StrEnum):
    """How a stream's events are cut into writes (and, where framing is chunked, into chunks)."""

    EACH = "each"
    """One event, one write."""
    JOINED = "joined"
    """Three events in one write."""
    TORN = "torn"
    """Pieces of 1, 2, 3, 5, 8 and 13 bytes in turn, blind to where events and characters end."""


class UsageMode(StrEnum):
    """When a stream tells its usage."""

    ASKED = "asked"
    """In an event of its own before [DONE], if `stream_options.include_usage` asks for it."""
    ALWAYS = "always"
    """So too where nobody asked."""
    NEVER = "never"


class Behaviour(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set while the fake runs, by attribute or as JSON over `POST /_fake/behaviour`."""

    tokens: int = 8
    """Tokens of an answer, unless the request's own bound is lower."""
    ttft_s: float = 0.0
    """Time to the first token."""
    token_delay_s: float = 0.0
    """Time between two tokens."""
    echo: bool = False
    """Its tokens are the last word of the prompt, numbered (`word.0 word.1`), so that everybody can tell their own
    answer."""
    early_head: bool = False
    """A stream's head leaves at once instead of with the first token."""

    fault: Fault = Fault.NONE
    every: int = 1
    """The fault strikes every so many requests, the last of each group (flaky)."""
    times: int | None = None
    """The fault strikes so often at most; afterwards all goes well."""
    reused_only: bool = False
    """The fault strikes only requests on a connection that has carried one before (a stale pool)."""
    after_chunks: int = 2
    """Content chunks that leave before a fault in mid-answer."""
    status: int = 500
    """Of `Fault.ERROR`."""
    retry_after_s: int | None = None
    """Sent as Retry-After with `Fault.ERROR`."""
    reset: bool = False
    """Dropping a connection resets it (RST) instead of closing it."""
    probes_too: bool = False
    """The fault strikes probes as well: GETs of /health, /v1/models, /api/tags and the like."""

    framing: Framing = Framing.AUTO
    packing: Packing = Packing.EACH
    usage: UsageMode = UsageMode.ASKED
    usage_null: bool = False
    """Every chunk of a stream carries `"usage": null`."""
    cached_share: float = 0.0
    """Which part of each prompt it says it had kept, where it tells its usage."""
    context: int | None = None
    """Of a prompt that has more tokens it sees so many, and says nothing of the rest."""
    bare_responses: bool = False
    """Streams of `/v1/responses` have llama.cpp's events, with all that those leave out."""
    interim: tuple[int, ...] = ()
    """1xx answers that precede the answer."""
    head_bytes: int = 0
    """Extra bytes in the answer's head."""
    body_bytes: int = 0
    """Extra characters in the answer's text."""
    trailers: bool = False
    """A chunked body is followed by a trailer field and its chunks carry an extension."""
    close_after: bool = False
    """The connection is closed right after the answer, unannounced."""

    def changed(self, changes: dict[str, Any]) -> "Behaviour":
        """A copy with these fields set anew; msgspec.ValidationError names one that is unknown or of the wrong type."""
        return msgspec.convert({**msgspec.to_builtins(self), **changes}, Behaviour)


class Strikes:
    """Counts requests and says which of them the fault strikes."""

    def __init__(self) -> None:
        self._asked = 0
        self._struck = 0

    def next(self, behaviour: Behaviour, *, reused: bool) -> Fault:
        """The fault that the next request meets, by the behaviour's `every`, `times` and `reused_only`."""
        if behaviour.fault is Fault.NONE or (behaviour.reused_only and not reused):
            return Fault.NONE
        self._asked += 1
        if self._asked % behaviour.every or (behaviour.times is not None and self._struck >= behaviour.times):
            return Fault.NONE
        self._struck += 1
        return behaviour.fault
