"""Before all ordinary routes: the request's id, the headers on every answer, and who may come in.

Closed by default: a route that nobody thought of needs a credential. Wrapped around the whole application, so no
answer, whatever made it, leaves without the standing headers, and nothing unexpected reaches a client.
"""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from remuda.core.faults import BodyTooLarge, Fault, Forbidden, ForeignOrigin, InvalidRequest, UnknownRoute
from remuda.core.ids import Ids, accepted_request_id
from remuda.core.keys import Scope as KeyScope
from remuda.dialects.kit.access import READING, WEBSOCKET, Access, Policy
from remuda.dialects.kit.owners import Owners
from remuda.gateway.authenticate import Gatekeeper, credential_of, session_of
from remuda.gateway.face import Refusal
from remuda.gateway.headers import STANDING_HEADERS, Cors

log = logging.getLogger(__name__)

MAX_ASKED_BYTES: Final = 2048
"""How long a list of header names a page may ask leave for: browsers send names alone, a score of them at most."""
_NAMES: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
"""Header names as a list, and nothing that could be anything else."""
POLICY_VIOLATION: Final = 1008
"""WebSocket close code; before the handshake is accepted a server makes an HTTP 403 of any code."""


OnAnswered = Callable[[str, str, int, float], None]
"""Takes method, template of the route (empty where there is none), status and seconds of each request."""


class Front:
    """Admits, identifies and bounds every request, and finishes every answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        gatekeeper: Gatekeeper,
        policy: Policy,
        owners: Owners,
        cors: Cors,
        ids: Ids,
        max_body_bytes: int,
        on_key_used: Callable[[str], None],
        is_route: Callable[[Scope], bool],
        on_answered: OnAnswered = lambda method, template, status, seconds: None,
        monotonic: Callable[[], float] = lambda: 0.0,
        body_bounds: Mapping[str, int] | None = None,
    ) -> None:
        """`body_bounds`: paths to which bodies of other lengths than `max_body_bytes` may be posted; one that ends in
        `/*` is all those right below it."""
        self.app = app
        self._on_answered = on_answered
        self._monotonic = monotonic
        self._gatekeeper = gatekeeper
        self._policy = policy
        self._owners = owners
        self._cors = cors
        self._ids = ids
        self._max_body_bytes = max_body_bytes
        self._on_key_used = on_key_used
        self._is_route = is_route
        self._body_bounds = body_bounds or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket; anything else (start and end of the application) passes through."""
        if scope["type"] == "http":
            began = self._monotonic()
            status, template = await self._request(scope, receive, send)
            self._on_answered(scope["method"], template, status, self._monotonic() - began)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> tuple[int, str]:
        """The status that was answered, and the template of the route; empty where there is none."""
        head = _Head(scope, self._ids)
        method, path = scope["method"], scope["path"]
        answer = _Answer(send, self._headers(head), is_head=method == "HEAD")
        inner: Scope = scope
        try:
            head.check_hosts(scope.get("http_version", "1.1"))
            if method == "OPTIONS" and head.origin is not None and head.is_preflight:
                await answer.refuse(self._preflight(head.origin, head.asked_names))
                return answer.status, ""
            self._admit(scope, head, self._policy.need(method, path))
            limit = self._body_bound(path) if method == "POST" else self._max_body_bytes
            if head.length > limit:
                raise _too_large(limit)
            # A GET without its body is what HEAD is, and so it holds for every route without a word there; a route
            # whose body takes work may look.
            scope.setdefault("state", {})["is_head"] = method == "HEAD"
            inner = {**scope, "method": "GET"} if method == "HEAD" else scope
            await self.app(inner, _bounded(receive, limit), answer.send)
        except Fault as fault:
            await answer.refuse(self._owners.refusal(path, fault, head.id, scope["headers"]))
        except Exception:
            log.exception("request %s failed inside the gateway", head.id)
            await answer.refuse(self._owners.refusal(path, Fault(), head.id, scope["headers"]))
        return answer.status, getattr(inner.get("route"), "path", "")

    def _body_bound(self, path: str) -> int:
        below = path.rpartition("/")[0] + "/*"
        return self._body_bounds.get(path) or self._body_bounds.get(below, self._max_body_bytes)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = _Head(scope, self._ids)
        headers = self._headers(head)
        try:
            head.check_hosts(scope.get("http_version", "1.1"))
            need = self._policy.need(WEBSOCKET, scope["path"])
            self._admit(scope, head, need._replace(takes_query_key=True))
        except Fault as fault:
            await receive()
            if "websocket.http.response" in scope.get("extensions", {}):
                refusal = self._owners.refusal(scope["path"], fault, head.id, scope["headers"])
                await _Answer(send, headers, kind="websocket.http.response").refuse(refusal)
            else:
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": fault.code})
            return

        async def send_finished(message: Message) -> None:
            if message["type"] in ("websocket.accept", "websocket.http.response.start"):
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await self.app(scope, receive, send_finished)

    def _headers(self, head: "_Head") -> list[tuple[bytes, bytes]]:
        return [*STANDING_HEADERS, (b"x-request-id", head.id.encode()), *self._cors.headers(head.origin)]

    def _admit(self, scope: Scope, head: "_Head", need: Access) -> None:
        state, peer = scope.setdefault("state", {}), scope.get("client")
        state["request_id"] = head.id
        scope["scheme"] = self._gatekeeper.scheme_of(scope["headers"], peer, scope.get("scheme", "http"))
        if need.scope is None:
            if scope.get("method", "GET") not in READING:
                self._check_page(scope, head)
        else:
            query = scope["query_string"] if need.takes_query_key else b""
            try:
                caller = self._gatekeeper.admit(
                    scope["headers"],
                    peer,
                    need.scope,
                    query,
                    also=need.also,
                    is_reading=scope.get("method") in READING,
                )
            except Forbidden as fault:
                if fault.key_id:
                    self._on_key_used(fault.key_id)
                if not self._gatekeeper.is_open and not self._is_route(scope):
                    raise UnknownRoute from None  # whoever holds a key is told that there is nothing to be refused
                raise
            state["caller"] = caller
            if caller.key_id:
                self._on_key_used(caller.key_id)

    def _check_page(self, scope: Scope, head: "_Head") -> None:
        """A log-in is for everybody, but a page elsewhere shall not try passwords through the browsers of others."""
        if self._gatekeeper.is_open:
            self._gatekeeper.admit(scope["headers"], scope.get("client"), KeyScope.READ)
        elif head.origin is not None and not self._cors.allows(head.origin):
            host = next((value for name, value in scope["headers"] if name == b"host"), b"")
            if head.origin.lower().partition(b"://")[2] != host.lower():
                raise ForeignOrigin("pages of other origins may not log in: the setting server.cors_origins says which")

    def _preflight(self, origin: bytes, names: bytes | None) -> Refusal:
        """Browsers ask without a credential, so this answers before anybody is admitted; it tells nothing but leave.

        A page that may call may send what headers it likes (OpenAI's own client adds a dozen): the names it asks for
        are said back, where they are names.
        """
        if not self._cors.allows(origin):
            raise Forbidden(
                "pages of this origin may not call this gateway: the setting server.cors_origins says which"
            )
        headers = dict(self._cors.preflight())
        if names is not None and len(names) <= MAX_ASKED_BYTES and _NAMES.fullmatch(names):
            headers[b"access-control-allow-headers"] = names
        return Refusal(204, tuple(headers.items()), b"")


class _Head:
    """What the front reads of a request's head, in one pass."""

    __slots__ = ("asked_names", "hosts", "id", "is_preflight", "length", "origin")

    def __init__(self, scope: Scope, ids: Ids) -> None:
        self.origin: bytes | None = None
        self.is_preflight = False
        self.asked_names: bytes | None = None
        self.length = 0
        self.hosts = 0
        given: str | None = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                fields = dict(scope["headers"])
                shown = credential_of(fields, scope.get("query_string", b"")) or session_of(fields)
                given = accepted_request_id(value, shown)
            elif name == b"host":
                self.hosts += 1
            elif name == b"origin":
                self.origin = value
            elif name == b"access-control-request-method":
                self.is_preflight = True
            elif name == b"access-control-request-headers":
                self.asked_names = value if self.asked_names is None else self.asked_names + b", " + value
            elif name == b"content-length" and value.isdigit():
                self.length = int(value)
        self.id = given or ids()

    def check_hosts(self, version: str) -> None:
        """One Host, or in HTTP/1.0 perhaps none (RFC 9112, 3.2): whoever checks where a request was meant for must not
        read another name than the next one."""
        if self.hosts > 1 or (self.hosts == 0 and version == "1.1"):
            raise InvalidRequest("a request names the host it is meant for in one Host header")


class _Answer:
    """The way back to the client: every answer gets the front's headers; to HEAD goes a head only."""

    __slots__ = ("_headers", "_is_head", "_kind", "_send", "is_done", "is_started", "status")

    def __init__(
        self, send: Send, headers: list[tuple[bytes, bytes]], *, is_head: bool = False, kind: str = "http.response"
    ) -> None:
        self._send = send
        self._headers = headers
        self._is_head = is_head
        self._kind = kind
        self.is_started = False
        self.is_done = False
        self.status = 0
        """What was answered; 0 where nothing was."""

    async def send(self, message: Message) -> None:
        """What the application sends."""
        if self.is_done:
            return
        if message["type"] == "http.response.start":
            self.is_started = True
            self.status = message["status"]
            await self._send({**message, "headers": [*message.get("headers", ()), *self._headers]})
            if self._is_head:
                await self._end(b"")
        else:
            self.is_done = message["type"] == "http.response.body" and not message.get("more_body", False)
            await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Send a whole answer, unless one has begun: then the server closes a connection left in the middle."""
        if self.is_started:
            return
        self.is_started = True
        self.status = refusal.status
        headers = list(refusal.headers)
        if refusal.status != 204:
            headers.append((b"content-length", b"%d" % len(refusal.body)))
        start: dict[str, Any] = {"type": self._kind + ".start", "status": refusal.status}
        await self._send({**start, "headers": [*headers, *self._headers]})
        await self._end(b"" if self._is_head else refusal.body)

    async def _end(self, body: bytes) -> None:
        self.is_done = True
        await self._send({"type": self._kind + ".body", "body": body, "more_body": False})


def _bounded(receive: Receive, limit: int) -> Receive:
    """`receive`, ending with a fault when the body grows past `limit` without having announced it."""
    seen = 0

    async def receive_bounded() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _too_large(limit)
        return message

    return receive_bounded


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the request body is larger than {limit} bytes")
