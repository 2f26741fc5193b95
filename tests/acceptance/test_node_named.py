# ruff: noqa: F811 - fixtures are imported, and pytest hands them over by their names
"""Which server answers is the gateway's choice: `node_id` in an inference request is refused, on every such route."""

from typing import Any

import httpx
import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.shared import gateway, started, upstream  # noqa: F401

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAID = "specifying node_id is not allowed"
ASK: dict[str, Any] = {
    "model": "fake",
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "Hello"}],
    "prompt": "Hello",
    "input": "Hello",
    "query": "Hello",
    "documents": ["a", "b"],
}


def openai_error(said: Any) -> tuple[str, str | None]:
    return said["error"]["message"], said["error"]["param"]


def anthropic_error(said: Any) -> tuple[str, str | None]:
    assert said["error"]["type"] == "invalid_request_error"
    return said["error"]["message"], "node_id"


def ollama_error(said: Any) -> tuple[str, str | None]:
    assert list(said) == ["error"]
    return said["error"], "node_id"


def observe_error(said: Any) -> tuple[str, str | None]:
    assert list(said) == ["detail"]
    return said["detail"], "node_id"


SHAPES: dict[str, Any] = {
    **{
        f"/{version}/{path}": openai_error
        for version in ("v1", "v2")
        for path in ("chat/completions", "completions", "embeddings", "responses", "rerank")
    },
    "/v1/messages": anthropic_error,
    "/v1/messages/count_tokens": anthropic_error,
    "/api/chat": ollama_error,
    "/api/generate": ollama_error,
    "/api/embed": ollama_error,
    "/api/embeddings": ollama_error,
    "/proxy/v1/chat/completions": observe_error,
}


async def test_every_route_of_the_lane_is_here(gateway: RunningGateway) -> None:
    assert sorted(path.decode() for path in gateway.remuda.lane.routes) == sorted(SHAPES)


@pytest.mark.parametrize("path", SHAPES)
async def test_a_request_that_names_a_node_is_refused(
    path: str, gateway: RunningGateway, upstream: FakeUpstream
) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        asked = [await client.post(path + query, json=ASK) for query in ("?node_id=1", "?a=b&%6eode_id=") * 2]
        asked += [await client.post(path, json=ASK | {"node_id": given}) for given in (1, "1", False, {})]
    assert [each.status_code for each in asked] == [400] * len(asked)
    assert [SHAPES[path](each.json()) for each in asked] == [(SAID, "node_id")] * len(asked)
    assert upstream.seen == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/api/chat", "/api/embed"])
async def test_other_queries_and_no_node_are_not(path: str, gateway: RunningGateway, upstream: FakeUpstream) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        for query in ("?beta=true", "?node=node_id", "?"):
            answer = await client.post(path + query, json={**ASK, "node_id": None})
            assert answer.status_code == 200
