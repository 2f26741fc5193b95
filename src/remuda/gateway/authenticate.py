"""Step: who asks. One function finds the credential wherever it may stand; one policy follows it.

The lane and the ordinary routes both come through here, so no place a key can stand in skips a check.
"""

import ipaddress
from collections.abc import Callable, Iterable
from urllib.parse import unquote_to_bytes, urlsplit

from remuda.core.faults import Forbidden, ForeignOrigin, MissingCredential
from remuda.core.keys import LOCAL_CALLER, Caller, KeyRing, Scope

Headers = Iterable[tuple[bytes, bytes]]


def credential_of(headers: Headers, query: bytes = b"") -> bytes | None:
    """The credential of a request, or None: `Authorization: Bearer`, `X-API-Key`, or `?api_key=` in `query`.

    `query` is handed in only by routes that browsers reach without headers (server-sent events, WebSockets).
    Header names are lower case. An Authorization header comes first; another scheme than Bearer counts as absent.
    """
    found: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            if value[:7].lower() == b"bearer ":
                return value[7:].strip()
        elif name == b"x-api-key" and found is None:
            found = value.strip()
    if found is None and query:
        for pair in query.split(b"&"):
            if pair.startswith(b"api_key="):
                return unquote_to_bytes(pair[8:].replace(b"+", b" "))
    return found


def is_loopback_host(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Gatekeeper:
    """Knows the keys and the rule for callers without one (DESIGN: closed by default).

    While no key exists and the bind is loopback, programs on this machine need none; their Host and Origin must name
    this machine, so that a web page elsewhere cannot use a browser on it (DNS rebinding, cross-site requests).
    """

    def __init__(self, *, keyless_allowed: bool, wall: Callable[[], float]) -> None:
        self._keyless_allowed = keyless_allowed
        self._wall = wall
        self.ring = KeyRing()
        """The keys in force; replaced whole when they change."""

    @property
    def is_open(self) -> bool:
        """Whether callers without a key are served."""
        return self._keyless_allowed and not len(self.ring)

    def admit(self, headers: Headers, peer: tuple[str, int] | None, scope: Scope, query: bytes = b"") -> Caller:
        """The caller of a request that needs `scope`; raises a 401 or 403 fault."""
        credential = credential_of(headers, query)
        if self.is_open:
            # Clients that insist on a key send a dummy one: it is not looked at while there is none to compare with.
            self._check_local(headers, peer)
            return LOCAL_CALLER
        if credential is None:
            raise MissingCredential
        caller = self.ring.caller_of(credential, self._wall())
        if not caller.may(scope):
            raise Forbidden(f"the API key lacks the scope '{scope}' that this needs")
        return caller

    def _check_local(self, headers: Headers, peer: tuple[str, int] | None) -> None:
        if peer is not None and not is_loopback_host(peer[0]):
            raise MissingCredential
        for name, value in headers:
            if name == b"host":
                if not is_loopback_host(_host_of(value.decode("latin-1"))):
                    raise ForeignOrigin("without a key the Host header must name this machine (127.0.0.1, localhost)")
            elif name == b"origin" and not is_loopback_host(urlsplit(value.decode("latin-1")).hostname or ""):
                raise ForeignOrigin("without a key, pages of other origins are not served")


def _host_of(authority: str) -> str:
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]
