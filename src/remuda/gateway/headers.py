"""The header policy that the lane and the ordinary routes share, written once."""

from collections.abc import Iterable
from typing import Final

API_VERSION: Final = "v1.0.0"

STANDING_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"x-xss-protection", b"1; mode=block"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"x-api-version", API_VERSION.encode()),
)
"""On every answer, whatever its route and status."""

EXPOSED: Final = b"x-request-id, x-api-version, x-remuda-replica, x-remuda-overhead-ms, x-remuda-truncated, retry-after"


class Cors:
    """Cross-origin answers for an allow-list of origins; `*` allows any, always without credentials."""

    __slots__ = ("_allowed", "_any")

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._allowed = frozenset(origin.rstrip("/").encode() for origin in origins)
        self._any = b"*" in self._allowed

    def allows(self, origin: bytes) -> bool:
        """Whether pages of `origin` may read our answers."""
        return self._any or origin in self._allowed

    def headers(self, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        """What to add to an answer for a request from `origin` (None: the request named none)."""
        if origin is None or not self.allows(origin):
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", EXPOSED),
            (b"vary", b"Origin"),
        ]

    def preflight(self) -> list[tuple[bytes, bytes]]:
        """What to add to `headers` for an OPTIONS request that asks for leave."""
        return [
            (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
            (
                b"access-control-allow-headers",
                b"authorization, content-type, x-api-key, x-request-id, traceparent, tracestate",
            ),
            (b"access-control-max-age", b"600"),
        ]


def block_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as the lines of an HTTP/1.1 head."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])
