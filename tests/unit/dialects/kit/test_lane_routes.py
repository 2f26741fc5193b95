import msgspec
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from remuda.core.faults import InvalidRequest
from remuda.dialects.kit.documents import Described
from remuda.dialects.kit.lane_routes import add_lane_route, operation_id


class Body(msgspec.Struct):
    name: str


async def test_a_lane_route_is_described_and_says_how_it_is_written() -> None:
    routes = APIRouter()
    add_lane_route(routes, "/v1/things", Described("Make things", "Of any kind.", Body, "A thing."))
    [route] = routes.routes
    assert isinstance(route, APIRoute)
    assert (route.methods, route.summary, route.operation_id) == ({"POST"}, "Make things", "post_v1_things")
    with pytest.raises(InvalidRequest, match="POST /v1/things"):
        await route.endpoint()


def test_operations_are_called_by_method_and_path() -> None:
    assert operation_id("GET", "/v1/models/{name:path}") == "get_v1_models_name"
