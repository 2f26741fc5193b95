from pathlib import Path
from typing import Never

import pytest

from remuda.core.ask import Operation
from remuda.core.keys import Scope
from remuda.dialects.openai.face import OpenAIFace
from remuda.gateway.face import Answered, LaneRoute
from tests.fixtures.gateway import running_gateway

ROUTE = LaneRoute("/x", OpenAIFace(), Operation.CHAT, Scope.READ, is_logged=True)


@pytest.mark.parametrize("query", [b"", b"a=1", b"node=node_id", b"node_ids=1", b"%", b"\xff=\xff", b"&&;="])
def test_another_query_leaves_the_route_as_it_is(query: bytes) -> None:
    assert ROUTE.at(query) is ROUTE


@pytest.mark.parametrize("query", [b"node_id=1", b"node_id", b"node_id=", b"a=1&node_id=x&b", b"n%6fde_id=1"])
def test_one_that_names_a_node_is_seen(query: bytes) -> None:
    found = ROUTE.at(query)
    assert found.names_node
    assert found == LaneRoute("/x", ROUTE.face, Operation.CHAT, Scope.READ, is_logged=True, names_node=True)


class Knowing(OpenAIFace):
    """Knows its answer as soon as it has read what is asked."""

    def read(self, operation: Operation, body: bytes) -> Never:
        raise Answered("mine", b"content-type: text/plain\r\n", body.upper())


async def test_what_a_face_answers_by_itself_is_passed_on_and_recorded(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, upstreams=[{"url": "http://127.0.0.1:9"}]) as gateway:
        asked = gateway.remuda.durable.inside.ask(LaneRoute("/x", Knowing(), Operation.CHAT), b"hello", "", "id")
        answer = await asked.answer
    record = answer.record
    assert (answer.status, answer.body) == (200, b"HELLO")
    assert (record.status, record.fault, record.model, record.replica, record.attempts) == (200, "", "mine", "", 0)
