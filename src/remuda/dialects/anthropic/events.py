"""Anthropic's events: server-sent ones with a name, which is also the `type` of what they carry."""

from typing import Any, Final

import msgspec

EVENTS: Final = b"text/event-stream; charset=utf-8"
JSON: Final = b"application/json"
ID_HEADER: Final = b"request-id"
"""Where clients look for a request's id."""


def event(kind: str, **fields: Any) -> bytes:
    """One event."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


PING: Final = event("ping")
