"""`Via` (RFC 9110, 7.6.3): the gateways that a request has come through, each by its pseudonym."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from remuda.core.faults import LoopDetected

MAX_BYTES: Final = 512
"""Of all lines together."""
MAX_HOPS: Final = 16


class Via(NamedTuple):
    """The way of a request so far."""

    line: bytes
    """As it came, of several lines one."""
    hops: frozenset[str]
    """The pseudonyms in it."""


def via_of(headers: Iterable[tuple[bytes, bytes]]) -> Via | None:
    """What `headers` (names in lower case) say; None where there is no `Via`. Raises LoopDetected where it is longer
    than is passed on: only a request that goes in circles comes that far."""
    values = [value for name, value in headers if name == b"via"]
    if not values:
        return None
    line = b", ".join(values)
    members = [words for each in line.split(b",") if (words := each.split())]
    if not members:
        return None
    if len(line) > MAX_BYTES or len(members) > MAX_HOPS:
        raise LoopDetected(f"the request has come through more gateways than the {MAX_HOPS} that one may (see Via)")
    # A member is the protocol's version and the pseudonym, maybe with a comment.
    return Via(line, frozenset(words[1].decode("latin-1") for words in members if len(words) > 1))


def with_hop(via: Via | None, pseudonym: bytes) -> bytes:
    """The value that is sent on by the gateway `pseudonym`."""
    hop = b"1.1 " + pseudonym
    return hop if via is None else b"%b, %b" % (via.line, hop)
