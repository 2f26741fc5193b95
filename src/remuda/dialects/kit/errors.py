"""What goes wrong in an ordinary route, as a fault in its owner's words."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from remuda.core import faults
from remuda.core.faults import Fault, InvalidJson, InvalidRequest, MethodNotAllowed, UnknownRoute
from remuda.dialects.kit.owners import Owners

BY_STATUS: Final[dict[int, type[Fault]]] = {
    400: InvalidRequest,
    401: faults.MissingCredential,
    403: faults.Forbidden,
    404: UnknownRoute,
    405: MethodNotAllowed,
    408: faults.RequestTimeout,
    413: faults.BodyTooLarge,
    415: faults.UnsupportedMedia,
    429: faults.RateLimited,
    501: faults.NotOffered,
    503: faults.Unavailable,
}
"""What a status that a library answers with stands for."""
SHOWN_CHARS: Final = 200
"""How much of a wrong value is said back."""


def install(app: FastAPI, owners: Owners) -> None:
    """Have `app` say everything that goes wrong in the shape of the path's owner."""

    def answer(request: Request, fault: Fault) -> Response:
        refusal = owners.refusal(request.scope["path"], fault, request.state.request_id, request.scope["headers"])
        headers = [*refusal.headers, (b"content-length", b"%d" % len(refusal.body))]
        if isinstance(fault, MethodNotAllowed):
            headers.append((b"allow", ", ".join(allowed_methods(request)).encode()))
        response = Response(refusal.body, refusal.status)
        response.raw_headers = headers
        return response

    async def on_fault(request: Request, error: Exception) -> Response:
        return answer(request, error if isinstance(error, Fault) else Fault())

    async def on_http(request: Request, error: Exception) -> Response:
        return answer(request, fault_of(error) if isinstance(error, HTTPException) else Fault())

    async def on_invalid(request: Request, error: Exception) -> Response:
        return answer(request, invalid(error.errors()) if isinstance(error, RequestValidationError) else Fault())

    app.add_exception_handler(Fault, on_fault)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    # The unexpected: said as a plain fault here, logged with the request's id by the front, where it arrives too.
    app.add_exception_handler(Exception, on_fault)


def fault_of(error: HTTPException) -> Fault:
    """The fault that a library's own refusal stands for."""
    if isinstance(error.__cause__, Fault):
        return error.__cause__  # FastAPI makes a 400 of whatever happens while it reads a body
    kind = BY_STATUS.get(error.status_code, InvalidRequest if 400 <= error.status_code < 500 else Fault)
    is_own_words = kind in (UnknownRoute, MethodNotAllowed, Fault) or not isinstance(error.detail, str)
    return kind() if is_own_words else kind(error.detail)


def invalid(errors: Sequence[Any]) -> InvalidRequest:
    """The first of pydantic's complaints, naming the parameter as the client wrote it."""
    first = errors[0] if errors else {}
    if first.get("type") == "json_invalid":
        return InvalidJson()
    parameter = _parameter(first.get("loc", ()))
    if first.get("type") == "missing":
        return InvalidRequest(f"the request is missing the required parameter '{parameter}'", parameter=parameter)
    reason = str(first.get("msg", "")) or "not valid"
    received = first.get("input")
    return InvalidRequest(
        f"'{parameter}' is not valid: {reason[0].lower()}{reason[1:]}",
        parameter=parameter,
        received=received[:SHOWN_CHARS] if isinstance(received, str) else received if _is_plain(received) else None,
        expected=str(first.get("type", "")).removesuffix("_parsing").removesuffix("_type") or None,
    )


def allowed_methods(request: Request) -> list[str]:
    """The methods that the request's path does take."""
    allowed: set[str] = set()
    for route in request.app.router.routes:
        match, _ = route.matches(request.scope)
        if match is Match.PARTIAL:
            allowed |= getattr(route, "methods", None) or set()
    return sorted(allowed | {"HEAD"} if "GET" in allowed else allowed)


def _parameter(location: Sequence[Any]) -> str:
    """`("body", "messages", 0, "role")` as `messages[0].role`."""
    name = ""
    for part in location[1:]:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else str(part)
    return name or "body"


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float)
