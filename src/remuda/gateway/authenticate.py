"""Step: who asks. One function finds the credential wherever it may stand; one policy follows it.

The lane and the ordinary routes both come through here, so no place a key can stand in skips a check.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, Protocol
from urllib.parse import unquote_to_bytes, urlsplit

from remuda.core.faults import Forbidden, ForeignOrigin, InvalidCredential, MissingCredential
from remuda.core.hosts import is_loopback
from remuda.core.keys import LOCAL_CALLER, Caller, KeyRing, Scope
from remuda.core.users import KEY_ID_PREFIX
from remuda.gateway.tokens import Tokens, looks_like_token

Headers = Iterable[tuple[bytes, bytes]]
Network = IPv4Network | IPv6Network

PROXY_HEADERS: Final = frozenset((b"x-forwarded-for", b"forwarded", b"x-real-ip"))
"""With one of these a request says that it was passed on: whoever connected is not who asks."""
SESSION_COOKIE: Final = "remuda-session"
_SESSION: Final = SESSION_COOKIE.encode()
REMEMBERED: Final = 64
"""Host headers and addresses whose verdict is kept; there are a handful in practice, and each takes microseconds."""


def credential_of(fields: Mapping[bytes, bytes], query: bytes = b"") -> bytes | None:
    """The credential of a request, or None: `Authorization: Bearer`, `X-API-Key`, or `?api_key=` in `query`. Where
    there is none of these, `session_of` is the last place.

    `query` is handed in only by routes that browsers reach without headers (server-sent events, WebSockets).
    `fields` are the headers by their names in lower case. An Authorization header comes first; another scheme than
    Bearer counts as absent.
    """
    authorization = fields.get(b"authorization")
    if authorization is not None and authorization[:7].lower() == b"bearer ":
        return authorization[7:].strip()
    key = fields.get(b"x-api-key")
    if key is not None:
        return key.strip()
    if query:
        for pair in query.split(b"&"):
            if pair.startswith(b"api_key="):
                return unquote_to_bytes(pair[8:].replace(b"+", b" "))
    return None


def session_of(fields: Mapping[bytes, bytes]) -> bytes | None:
    """The credential in a request's session cookie, or None. Browsers add it by themselves, also for pages of others:
    whoever takes it checks where the request comes from."""
    for pair in fields.get(b"cookie", b"").split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if name == _SESSION and value:
            return value
    return None


class Admits(Protocol):
    """Who decides whether an exchange is served."""

    def admit(
        self,
        headers: Headers,
        peer: tuple[str, int] | None,
        scope: Scope,
        query: bytes = b"",
        *,
        also: Scope | None = None,
        fields: Mapping[bytes, bytes] | None = None,
    ) -> Caller:
        """The caller; raises a fault that says why it is not."""
        ...


class Gatekeeper:
    """Knows the keys and tokens and the rule for callers without one (DESIGN: closed by default).

    While no key and no user exists and the bind is loopback, programs on this machine need no credential; their Host
    and Origin must name this machine, so that a web page elsewhere cannot use a browser on it (DNS rebinding,
    cross-site requests), and they must not have come through a proxy, which makes the whole world look local.
    """

    def __init__(
        self,
        *,
        keyless_allowed: bool,
        wall: Callable[[], float],
        trusted_proxies: Sequence[Network] = (),
        tokens: Tokens | None = None,
    ) -> None:
        self._tokens = tokens
        self._keyless_allowed = keyless_allowed
        self._wall = wall
        self._trusted_proxies = tuple(trusted_proxies)
        self._is_local_host = lru_cache(REMEMBERED)(_names_this_machine)
        self._is_local_peer = lru_cache(REMEMBERED)(is_loopback)
        self._is_trusted = lru_cache(REMEMBERED)(self._trusts)
        self._has_had_keys = False
        self.ring = KeyRing()

    @property
    def ring(self) -> KeyRing:
        """The keys in force; replaced whole when they change."""
        return self._ring

    @ring.setter
    def ring(self, ring: KeyRing) -> None:
        self._ring = ring
        self._decide()

    @property
    def has_had_keys(self) -> bool:
        """Whether a key or a user was ever made, be it gone by now: then the door stays closed."""
        return self._has_had_keys

    @has_had_keys.setter
    def has_had_keys(self, value: bool) -> None:
        self._has_had_keys = value
        self._decide()

    def _decide(self) -> None:
        self.is_open = self._keyless_allowed and not len(self._ring) and not self._has_had_keys
        """Whether callers without a key are served."""

    def admit(
        self,
        headers: Headers,
        peer: tuple[str, int] | None,
        scope: Scope,
        query: bytes = b"",
        *,
        also: Scope | None = None,
        fields: Mapping[bytes, bytes] | None = None,
        is_reading: bool = False,
    ) -> Caller:
        """The caller of a request that needs `scope`, or `also` in its place; raises a 401 or 403 fault. `fields` are
        the headers by name, where they are at hand. `is_reading`: the request changes nothing (GET, HEAD)."""
        if self.is_open:
            # Clients that insist on a key send a dummy one: it is not looked at while there is none to compare with.
            self._check_local(headers, peer)
            return LOCAL_CALLER
        if fields is None:
            fields = dict(headers)
        credential = credential_of(fields, query)
        if credential is None:
            credential = session_of(fields)
            if credential is None:
                raise MissingCredential
            if not is_reading:
                _check_own_page(fields)
        try:
            caller = self._ring.caller_of(credential, self._wall())
        except InvalidCredential:
            if self._tokens is None or not looks_like_token(credential):
                raise
            caller = self._tokens.caller_of(credential)
        if scope not in caller.scopes and not caller.may(scope) and (also is None or not caller.may(also)):
            who = "user" if caller.key_id.startswith(KEY_ID_PREFIX) else "API key"
            fault = Forbidden(f"the {who} lacks the scope '{scope}' that this needs")
            fault.key_id = caller.key_id
            raise fault
        return caller

    def client_of(self, headers: Headers, peer: tuple[str, int] | None) -> str | None:
        """The client's address: the peer's, or, from a trusted proxy, the right-most one in X-Forwarded-For that is
        not itself a trusted proxy's. None where nobody knows: a unix socket, or a proxy that names none.

        Only what trusted proxies appended is read; what stands left of it is the client's own claim.
        """
        if peer is None or not self._is_trusted(peer[0]):
            return None if peer is None else peer[0]
        named = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        client: str | None = None
        for entry in reversed(named.split(b",")):
            address = _address(entry.decode("latin-1"))
            if address is None:
                return None  # written by somebody we trust, yet no address: guessing on would trust the client
            client = str(address)
            if not self._is_trusted(client):
                break
        return client

    def scheme_of(self, headers: Headers, peer: tuple[str, int] | None, scheme: str) -> str:
        """How the client itself came: `scheme`, or what a trusted proxy that it came through says of that."""
        if self._trusted_proxies and peer is not None and self._is_trusted(peer[0]):
            for name, value in headers:
                if name == b"x-forwarded-proto" and value in (b"http", b"https"):
                    return value.decode()
        return scheme

    def _check_local(self, headers: Headers, peer: tuple[str, int] | None) -> None:
        is_passed_on = False
        for name, value in headers:
            if name == b"host":
                if not self._is_local_host(value):
                    raise ForeignOrigin("without a key the Host header must name this machine (127.0.0.1, localhost)")
            elif name == b"origin":
                if not _is_local_origin(value):
                    raise ForeignOrigin("without a key, pages of other origins are not served")
            elif name in PROXY_HEADERS:
                is_passed_on = True
        if peer is not None:
            if self._trusted_proxies and self._is_trusted(peer[0]):
                client = self.client_of(headers, peer)
                if client is None or not is_loopback(client):
                    raise MissingCredential
                return
            if not self._is_local_peer(peer[0]):
                raise MissingCredential
        if is_passed_on:
            raise MissingCredential(
                "this request came through a proxy, so it needs an API key: only programs on this machine that "
                "connect directly are served without one"
            )

    def _trusts(self, host: str) -> bool:
        if not self._trusted_proxies:
            return False
        address = _address(host)
        return address is not None and any(address in network for network in self._trusted_proxies)


def _check_own_page(fields: Mapping[bytes, bytes]) -> None:
    """Raise ForeignOrigin unless the browser says that a page of this gateway makes the request (CSRF). Without a word
    about that it is none: all browsers say at least their Origin with what may change something."""
    site, origin = fields.get(b"sec-fetch-site"), fields.get(b"origin", b"").lower()
    is_own = origin.partition(b"://")[2] == fields.get(b"host", b"").lower() if site is None else site == b"same-origin"
    if not is_own:
        raise ForeignOrigin("with a session cookie, only pages of this gateway may change something")


def _names_this_machine(authority: bytes) -> bool:
    text = authority.decode("latin-1")
    host, bracket, _ = text.partition("]") if text.startswith("[") else text.partition(":")
    return is_loopback(host + bracket if bracket == "]" else host)


def _is_local_origin(origin: bytes) -> bool:
    try:
        return is_loopback(urlsplit(origin.decode("latin-1")).hostname or "")
    except ValueError:
        return False


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in `text`, with or without brackets and port; IPv4 in IPv6's clothes counts as IPv4."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
