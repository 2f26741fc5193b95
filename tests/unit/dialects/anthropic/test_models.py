"""See `test_routes.py` for lists; here is who is asked."""

from starlette.requests import Request

from remuda.dialects.anthropic.models import models_answer
from remuda.fleet.registry import Fleet


def test_other_clients_get_other_words() -> None:
    scope = {"type": "http", "headers": [], "query_string": b"", "method": "GET", "path": "/v1/models"}
    assert models_answer(Fleet(), Request(scope), None) is None
