"""See `tests/acceptance/test_proxy_api.py`; here is what needs no gateway."""

from fastapi import APIRouter, FastAPI, Response

from remuda.dialects.nodes.described import ID, add, json_answer, query
from remuda.dialects.nodes.schemas import PoolConfig, PoolConfigChange


def test_a_route_is_described() -> None:
    async def nothing() -> Response:
        return json_answer({"a": 1})

    routes = APIRouter()
    add(routes, "/x/{node_id}", nothing, "Nothing", PoolConfig, method="PUT", body=PoolConfigChange, parameters=[ID])
    add(
        routes, "/x", nothing, "Nothing", None, "Gone.", method="DELETE", parameters=[query("id", "Which.")], status=204
    )
    app = FastAPI()
    app.router.routes.extend(routes.routes)
    paths = app.openapi()["paths"]
    put = paths["/x/{node_id}"]["put"]
    assert put["operationId"] == "put_x_node_id"
    assert put["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/PoolConfigChange")
    assert "content" not in paths["/x"]["delete"]["responses"]["204"]
