"""`POST /api/proxy/pull`: nodes fetch a model, and what came of it is said of each."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from remuda.core.faults import InvalidRequest, UnknownNode
from remuda.core.tasks import Tasks
from remuda.dialects.kit.documents import json_of
from remuda.dialects.nodes.changes import decoded
from remuda.dialects.nodes.herd import Herd, Pulled, Pulls
from remuda.dialects.nodes.schemas import PullAnswer, PullAsk, PullLine, PullResult
from remuda.fleet.node_status import NodeStatus
from remuda.fleet.replica import ReplicaState
from remuda.wire.ndjson import line_of

MAX_LINES_HELD: Final = 1000
"""Lines of progress that wait for a client; beyond them the newest are dropped: what is said next is newer still."""


def add_pull(routes: APIRouter, herd: Herd, pulls: Pulls) -> None:
    """The route."""

    async def pull(request: Request) -> Response:
        asked = decoded(PullAsk, await request.body())
        nodes = _nodes(herd, asked)
        if asked.stream:
            return StreamingResponse(_streamed(pulls, nodes, asked), media_type="application/x-ndjson")
        answer = _answer(await pulls.pull(nodes, asked.model, is_insecure=asked.insecure, progress=_silent), asked)
        is_any_well = any(result.status == "success" for result in answer.results)
        return Response(msgspec.json.encode(answer), 200 if is_any_well else 502, media_type="application/json")

    failed = {"description": "No node could fetch it, and why.", "content": json_of(PullAnswer)}
    routes.add_api_route(
        "/api/proxy/pull",
        pull,
        methods=["POST"],
        summary="Have nodes fetch a model",
        operation_id="post_api_proxy_pull",
        responses={200: {"description": "What came of it.", "content": json_of(PullAnswer)}, 502: failed},
        openapi_extra={"requestBody": {"required": True, "content": json_of(PullAsk)}},
    )


def _nodes(herd: Herd, asked: PullAsk) -> Sequence[NodeStatus]:
    if not asked.model.strip():
        raise InvalidRequest("the request is missing the required parameter 'model'", parameter="model")
    if asked.node_id is None:
        active = [node for node in herd.statuses() if node.state is ReplicaState.ACTIVE]
        if not active:
            raise UnknownNode("no node is active")
        return active
    found = herd.status(asked.node_id)
    if found is None:
        raise UnknownNode(f"there is no node {asked.node_id}")
    return [found]


def _answer(pulled: Sequence[Pulled], asked: PullAsk) -> PullAnswer:
    results = [
        PullResult(each.node.id, each.node.name, each.node.url, "success" if each.is_well else "error", each.message)
        for each in pulled
    ]
    return PullAnswer(results, asked.model, len(results))


async def _streamed(pulls: Pulls, nodes: Sequence[NodeStatus], asked: PullAsk) -> AsyncIterator[bytes]:
    """Progress as it comes, and at last what the unstreamed answer would be. Leaving ends the pulls."""
    lines: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_LINES_HELD)

    def progress(node: NodeStatus, said: Mapping[str, Any]) -> None:
        if lines.qsize() < MAX_LINES_HELD - 1:
            lines.put_nowait(line_of(PullLine(node.id, node.name, dict(said))))

    async def run() -> Sequence[Pulled]:
        try:
            return await pulls.pull(nodes, asked.model, is_insecure=asked.insecure, progress=progress)
        finally:
            lines.put_nowait(None)

    tasks = Tasks("pull")
    running = tasks.start(run(), asked.model)
    try:
        while (line := await lines.get()) is not None:
            yield line
        yield line_of(_answer(await running, asked))
    finally:
        await tasks.close()


def _silent(node: NodeStatus, said: Mapping[str, Any]) -> None:
    """Nobody listens."""
