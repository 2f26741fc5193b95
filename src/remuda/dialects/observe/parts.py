"""What the parts of this dialect share: adding routes, reading what was sent, answering."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from fastapi import APIRouter, Request, Response

from remuda.core.faults import InvalidRequest, Unavailable
from remuda.core.keys import Caller, Scope
from remuda.dialects.kit.documents import REF, json_of
from remuda.dialects.kit.lane_routes import operation_id
from remuda.store.errors import StoreUnavailable

NAME: Final = "observe"
HOURS: Final = 24
MAX_HOURS: Final = 24 * 366 * 10
MAX_SHOWN: Final = 100
MAX_DIGITS: Final = 18
MAX_NUMBER: Final = 10**MAX_DIGITS - 1
"""Of any number in a query or a path."""
"""How much of a wrong value is said back."""

Handler = Callable[[Request], Awaitable[Response]]
Add = Callable[..., None]
"""`add(method, path, handler, summary, answer, status=200, body=None, query=())`: see `adder`."""


class RefusedObservation(msgspec.Struct):
    """The body of every refusal."""

    detail: str


class QueryField(NamedTuple):
    """What may stand in the query, as the OpenAPI document says it."""

    name: str
    says: str
    type: str = "string"


class Part(Protocol):
    """Some of the routes."""

    def add_to(self, add: Add) -> None:
        """Add them."""
        ...


def adder(routes: APIRouter) -> Add:
    """What adds one route to `routes`: `answer` and `body` are structs; a list of structs as `list[Struct]`;
    None: there is nothing in the answer."""

    def add(
        method: str,
        path: str,
        handler: Handler,
        summary: str,
        answer: Any,
        *,
        status: int = 200,
        body: type | None = None,
        content: dict[str, Any] | None = None,
        query: Sequence[QueryField] = (),
    ) -> None:
        async def endpoint(request: Request) -> Response:
            try:
                return await handler(request)
            except StoreUnavailable as error:
                raise Unavailable("the journal does not answer at the moment", retry_after_s=1) from error

        extra: dict[str, Any] = {}
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        parameters: list[dict[str, Any]] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "integer"}} for name in names
        ]
        parameters += [
            {"name": field.name, "in": "query", "description": field.says, "schema": {"type": field.type}}
            for field in query
        ]
        if parameters:
            extra["parameters"] = parameters
        if body is not None:
            extra["requestBody"] = {"required": True, "content": json_of(body)}
        routes.add_api_route(
            path,
            endpoint,
            methods=[method],
            status_code=status,
            summary=summary,
            operation_id=operation_id(method, path.replace("{", "").replace("}", "")),
            responses={status: {"description": "As asked.", "content": content or _content_of(answer)}},
            openapi_extra=extra or None,
        )

    return add


def answered(value: Any, status: int = 200) -> Response:
    """`value` in JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def answered_with(json: bytes) -> Response:
    """What is in JSON already."""
    return Response(json, media_type="application/json")


def sees_all(caller: Caller) -> bool:
    """Whether the caller may see what others asked, and who they are; others see what is their own, and sums."""
    return caller.may(Scope.MANAGE)


def hours_in(request: Request) -> int:
    """How many hours back the question goes; raises InvalidRequest."""
    return number_in(request, "hours", HOURS, least=1, most=MAX_HOURS)


def number_in(
    request: Request, name: str, otherwise: int, *, least: int = 0, most: int = MAX_NUMBER, where: str = ""
) -> int:
    """The whole number that stands in the query under `name`; raises InvalidRequest, which says `where` the bounds are
    these."""
    said = request.query_params.get(name)
    return otherwise if said is None else whole(said, name, least, most, where)


def id_in(request: Request, name: str) -> int | None:
    """The whole number in the path under `name`; None where that is none, so that there is nothing of that id."""
    said: str = request.path_params[name]
    return int(said) if said.isascii() and said.isdigit() and len(said) <= MAX_DIGITS else None


def whole(said: str, name: str, least: int = 0, most: int = MAX_NUMBER, where: str = "") -> int:
    """`said` as a whole number within bounds; raises InvalidRequest."""
    number = int(said) if said.isascii() and said.isdigit() and len(said) <= MAX_DIGITS else None
    if number is None or not least <= number <= most:
        bounds = "" if most == MAX_NUMBER else f" from {least} to {most}{where}"
        raise InvalidRequest(f"{name} is a whole number{bounds}", parameter=name, received=said[:MAX_SHOWN])
    return number


def _content_of(answer: Any) -> dict[str, Any]:
    if answer is None:
        return {}
    if getattr(answer, "__origin__", None) is list:
        items = {"$ref": REF.format(name=answer.__args__[0].__name__)}
        return {"application/json": {"schema": {"type": "array", "items": items}}}
    return json_of(answer)
