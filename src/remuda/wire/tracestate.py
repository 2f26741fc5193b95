"""`tracestate` of W3C's Trace Context, level 1: what tracing systems on the way keep with a trace, a member each."""

import re
from collections.abc import Iterable
from typing import Final

MAX_BYTES: Final = 512
"""What is passed on at most; as much as the Recommendation asks for."""
MAX_MEMBERS: Final = 32
LONG_BYTES: Final = 128
"""Members longer than this are the first to go where there is too much."""

_SIMPLE_KEY: Final = rb"[a-z][_0-9a-z\-*/]{0,255}"
_TENANT_KEY: Final = rb"[a-z0-9][_0-9a-z\-*/]{0,240}@[a-z][_0-9a-z\-*/]{0,13}"
# Printable ASCII without comma and equals sign, and no blank at the end.
_VALUE: Final = rb"[ -+\--<>-~]{0,255}[!-+\--<>-~]"
_MEMBER: Final = re.compile(rb"(?:%b|%b)=%b" % (_SIMPLE_KEY, _TENANT_KEY, _VALUE))


def tracestate_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The value of `tracestate` in `headers` (names in lower case), of several lines one; empty where there is none,
    or where something in it is malformed, which makes all of it worthless."""
    values = [value for name, value in headers if name == b"tracestate"]
    members = [member for value in values for each in value.split(b",") if (member := each.strip(b" \t"))]
    keys = {member.partition(b"=")[0] for member in members}
    if len(members) > MAX_MEMBERS or len(keys) < len(members) or not all(map(_MEMBER.fullmatch, members)):
        return b""
    # From the end, where the oldest are, and the long ones first.
    for is_long in (True, False):
        for member in members[::-1]:
            if len(b",".join(members)) > MAX_BYTES and (len(member) > LONG_BYTES) is is_long:
                members.remove(member)
    return b",".join(members)
