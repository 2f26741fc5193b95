import pytest

from remuda.core.ask import Operation
from remuda.core.keys import Scope
from remuda.dialects.openai.face import OpenAIFace
from remuda.gateway.face import LaneRoute

ROUTE = LaneRoute("/x", OpenAIFace(), Operation.CHAT, Scope.READ, is_logged=True)


@pytest.mark.parametrize("query", [b"", b"a=1", b"node=node_id", b"node_ids=1", b"%", b"\xff=\xff", b"&&;="])
def test_another_query_leaves_the_route_as_it_is(query: bytes) -> None:
    assert ROUTE.at(query) is ROUTE


@pytest.mark.parametrize("query", [b"node_id=1", b"node_id", b"node_id=", b"a=1&node_id=x&b", b"n%6fde_id=1"])
def test_one_that_names_a_node_is_seen(query: bytes) -> None:
    found = ROUTE.at(query)
    assert found.names_node
    assert found == LaneRoute("/x", ROUTE.face, Operation.CHAT, Scope.READ, is_logged=True, names_node=True)
