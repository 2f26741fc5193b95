"""`/api/account`: users log in and get tokens, as document S4 has it (1.4, Auth)."""

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Request, Response

from remuda.core.faults import InvalidRequest, UnsupportedMedia
from remuda.dialects.kit.access import LOG_IN, PUBLIC, Rule
from remuda.dialects.kit.bodies import malformed
from remuda.dialects.kit.documents import REF
from remuda.dialects.nodes.account_schemas import AccessToken, LoginAsk, RefreshAsk, Session, TokenPair
from remuda.gateway.authenticate import SESSION_COOKIE, Headers, credential_of, session_of
from remuda.gateway.log_in import LogIn

NAME: Final = "nodes"
ROOT: Final = "/api/account"
LOGIN: Final = "/api/account/login"
REFRESH: Final = "/api/account/refresh"
LOGOUT: Final = "/api/account/logout"
RULES: Final = tuple(Rule(path, PUBLIC, LOG_IN, brings_credential=True) for path in (LOGIN, REFRESH, LOGOUT))
SCHEMAS: Final = (LoginAsk, TokenPair, RefreshAsk, AccessToken, Session)
REFRESH_COOKIE: Final = "remuda-refresh"
"""Sent by browsers to these routes alone."""
MAX_BODY_BYTES: Final = 16 * 1024
"""Far above any name, password or token."""

TICKED: Final = ("on", "true", "1")
"""What forms say of a box that is ticked."""
_FORM: Final = "application/x-www-form-urlencoded"
_NO_STORE: Final = {"cache-control": "no-store"}
"""RFC 6749, 5.1: answers with tokens in them are kept by nobody."""

AskT = TypeVar("AskT", bound=msgspec.Struct)


class ClientOf(Protocol):
    """Tells a client's address; None where nobody knows it."""

    def __call__(self, headers: Headers, peer: tuple[str, int] | None) -> str | None: ...


def router(log_in: LogIn, client_of: ClientOf) -> APIRouter:
    """Log-in, refresh and log-out."""
    routes = APIRouter(tags=[NAME], default_response_class=Response)

    async def login(request: Request) -> Response:
        ask = await _body(request, LoginAsk)
        name, password = ask.username or ask.account, ask.password or ask.passwd
        if not name or not password:
            raise InvalidRequest("Missing credentials.")  # S4's own words
        address = client_of(request.scope["headers"], request.scope.get("client"))
        pair = await log_in.log_in(name, password, address)
        if not ask.cookie:
            return _json(TokenPair(pair.access, pair.refresh))
        answer = session(request, pair.access)
        _set_cookie(answer, request, REFRESH_COOKIE, pair.refresh, log_in.tokens.refresh_s)
        return answer

    async def refresh(request: Request) -> Response:
        ask = await _body(request, RefreshAsk)
        if ask.refresh:
            return _json(AccessToken(log_in.tokens.renewed(ask.refresh)))
        kept = request.cookies.get(REFRESH_COOKIE)
        if not kept:
            raise InvalidRequest("This field is required.", parameter="refresh")
        return session(request, log_in.tokens.renewed(kept))

    async def logout(request: Request) -> Response:
        ask = await _body(request, RefreshAsk)
        fields = dict(request.scope["headers"])
        kept = request.cookies.get(REFRESH_COOKIE)
        shown = (credential_of(fields), session_of(fields), (ask.refresh or "").encode(), (kept or "").encode())
        await log_in.log_out(token for token in shown if token)
        answer = Response(status_code=204, headers=_NO_STORE)
        for name in (SESSION_COOKIE, REFRESH_COOKIE):
            _set_cookie(answer, request, name, "", 0)
        return answer

    def session(request: Request, access: str) -> Response:
        lasts_s = log_in.tokens.access_s
        answer = _json(Session(int(lasts_s)))
        _set_cookie(answer, request, SESSION_COOKIE, access, lasts_s)
        return answer

    _add(routes, LOGIN, login, "Log in", "Tokens of that user, or in cookies.", LoginAsk, TokenPair, Session)
    _add(routes, REFRESH, refresh, "Get another access token", "It, or in a cookie.", RefreshAsk, AccessToken, Session)
    routes.add_api_route(
        LOGOUT,
        logout,
        methods=["POST"],
        status_code=204,
        summary="Log out",
        operation_id="post_api_account_logout",
        responses={204: {"description": "The session's tokens are no good any more, and the cookies are gone."}},
        openapi_extra={"requestBody": _content(RefreshAsk, is_required=False)},
    )
    return routes


def _set_cookie(answer: Response, request: Request, name: str, value: str, lasts_s: float) -> None:
    """Have the browser keep `value`, for requests that pages of this gateway make; for 0 s: forget it."""
    answer.set_cookie(
        name,
        value,
        max_age=int(lasts_s),
        path=ROOT if name == REFRESH_COOKIE else "/",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )


async def _body(request: Request, kind: type[AskT]) -> AskT:
    """The body, which is JSON or a form; a body that says nothing of itself is JSON."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise InvalidRequest(f"the request body is larger than {MAX_BODY_BYTES} bytes")
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    try:
        if media == _FORM:
            form = parse_qs(body.decode(), max_num_fields=16)
            said: dict[str, Any] = {name: values[-1] for name, values in form.items()}
            if "cookie" in said:
                said["cookie"] = said["cookie"] in TICKED
            return msgspec.convert(said, kind)
        if not media.endswith(("/json", "+json")):
            raise UnsupportedMedia("the request body is to be JSON, or a form of a web page")
        return msgspec.json.decode(body, type=kind) if body else kind()
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"the request body is not as it should be: {error}") from None
    except (msgspec.DecodeError, ValueError) as error:  # ValueError: no UTF-8, too many fields
        raise malformed(error, b"") from None  # without the body, which holds a password


def _add(
    routes: APIRouter,
    path: str,
    endpoint: Callable[..., object],
    summary: str,
    answer: str,
    ask: type,
    *structs: type,
) -> None:
    answers = {"oneOf": [{"$ref": REF.format(name=struct.__name__)} for struct in structs]}
    routes.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        summary=summary,
        operation_id="post" + path.replace("/", "_"),
        responses={200: {"description": answer, "content": {"application/json": {"schema": answers}}}},
        openapi_extra={"requestBody": _content(ask)},
    )


def _content(ask: type, *, is_required: bool = True) -> dict[str, Any]:
    schema = {"schema": {"$ref": REF.format(name=ask.__name__)}}
    return {"required": is_required, "content": {"application/json": schema, _FORM: schema}}


def _json(struct: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(struct), media_type="application/json", headers=_NO_STORE)
