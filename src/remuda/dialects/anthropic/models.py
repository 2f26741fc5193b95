"""The fleet's models as Anthropic lists them, to clients that say which version of its API they speak."""

from typing import Any, Final

import msgspec
from fastapi import Request, Response

from remuda.core.faults import InvalidRequest, UnknownModel
from remuda.core.moments import iso_time
from remuda.fleet.registry import Fleet, Model

HEADER: Final = "anthropic-version"
PAGE: Final = 20
MAX_PAGE: Final = 1000


def models_answer(fleet: Fleet, request: Request, name: str | None) -> Response | None:
    """All models, or the one called `name`; None for a client that is not Anthropic's. Raises UnknownModel."""
    if HEADER not in request.headers:
        return None
    if name is not None:
        model = fleet.meant(name)
        if model is None:
            raise UnknownModel(f"there is no model called {name[:200]!r} here", parameter="model")
        return _json(_shown(name, model))
    known = {model.name: model for model in fleet.offered()}
    for alias, target in fleet.aliases().items():
        if target in known:
            known.setdefault(alias, known[target])
    names = sorted(known)
    if (after := request.query_params.get("after_id")) is not None:
        names = [each for each in names if each > after]
    if (before := request.query_params.get("before_id")) is not None:
        names = [each for each in names if each < before]
    size = _limit(request)
    page = names[-size:] if before is not None and after is None else names[:size]
    shown = [_shown(each, known[each]) for each in page]
    more = {"has_more": len(names) > len(page), "first_id": page[0] if page else None}
    return _json({"data": shown, **more, "last_id": page[-1] if page else None})


def _limit(request: Request) -> int:
    asked = request.query_params.get("limit", str(PAGE))
    if not (asked.isascii() and asked.isdigit()) or not 1 <= int(asked[:6]) <= MAX_PAGE:
        raise InvalidRequest(f"limit: a number from 1 to {MAX_PAGE}", parameter="limit", received=asked[:50])
    return int(asked)


def _shown(name: str, model: Model) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": iso_time(model.created_at),
        "lifecycle": "active",
        "max_input_tokens": model.context_length,
        "max_tokens": model.context_length,
    }


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
