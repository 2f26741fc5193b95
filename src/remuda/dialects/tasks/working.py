"""What workers in other processes ask of the gateway: whether there is room, and to have tasks answered."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from remuda.core.faults import InvalidRequest, UnknownTask
from remuda.core.keys import Scope
from remuda.core.task import Claim
from remuda.core.tasks import Tasks
from remuda.dialects.kit.access import Access, Rule
from remuda.dialects.kit.bodies import decoded
from remuda.dialects.kit.documents import body_of, json_object, json_of, lines
from remuda.dialects.tasks.asks import NAME
from remuda.jobs.live import Live
from remuda.jobs.remote import ROOM, RUN, STOP, Ended, Room, Said, Stop, decode_claim, decode_stop, encode
from remuda.jobs.runner import Outcome, Runner, Running

WORKING: Final = Access(Scope.ADMIN)
"""A worker asks in the name of whoever submitted."""
RULES: Final = (
    Rule(RUN, WORKING, frozenset(("POST",))),
    Rule(STOP, WORKING, frozenset(("POST",))),
    Rule(ROOM, WORKING),
)
PATHS: Final = ("/api/worker",)
CLAIM: Final = {
    "application/json": {
        "schema": {"type": "array", "items": {}, "description": "A claim: its fields, one after the other."}
    }
}
SCHEMAS: Final = (Stop,)


class WorkRoutes:
    """What answers them."""

    def __init__(
        self,
        runner: Runner | None = None,
        *,
        live: Live | None = None,
        began: Callable[[str], None] = lambda model: None,
        room: Callable[[str], int] = lambda model: 0,
        takes: Callable[[str], bool] = lambda path: False,
    ) -> None:
        """`began` is told of the model of each task; `takes` says whether asks for a path can be answered. Without a
        runner, to be listed and described only."""
        self._runner = runner
        self._live = live if live is not None else Live()
        self._began = began
        self._room = room
        self._takes = takes
        self._tasks = Tasks("work")
        self._running: dict[tuple[str, int], Running] = {}
        """By task and claim."""

    def router(self) -> APIRouter:
        """All of them."""
        routes = APIRouter(tags=[NAME], default_response_class=Response)
        routes.add_api_route(
            ROOM,
            self._tell_room,
            methods=["GET"],
            summary="How many tasks of a model may begin now",
            operation_id="get_api_worker_room",
            responses={200: {"description": "So many.", "content": json_object()}},
        )
        routes.add_api_route(
            RUN,
            self._run,
            methods=["POST"],
            summary="Have a task answered, for a worker in another process",
            operation_id="post_api_worker_run",
            responses={200: {"description": "Text as it comes, then the outcome.", "content": lines()}},
            openapi_extra=body_of(CLAIM),
        )
        routes.add_api_route(
            STOP,
            self._stop,
            methods=["POST"],
            summary="Call off a task that is being answered for a worker",
            operation_id="post_api_worker_stop",
            status_code=204,
            responses={204: {"description": "It ends, and its answer says what it used."}},
            openapi_extra=body_of(json_of(Stop)),
        )
        return routes

    async def _tell_room(self, request: Request) -> Response:
        model = request.query_params.get("model")
        if not model:
            raise InvalidRequest("model is required", parameter="model")
        return Response(encode(Room(self._room(model))), media_type="application/json")

    async def _run(self, request: Request) -> Response:
        claim = decoded(decode_claim, await request.body())
        if self._runner is None or not self._takes(claim.path):
            raise InvalidRequest(
                "asks for this path are not answered here", parameter="path", received=claim.path[:200]
            )
        return StreamingResponse(self._lines(self._runner, claim), media_type="application/x-ndjson")

    async def _stop(self, request: Request) -> Response:
        stop = decoded(decode_stop, await request.body())
        running = self._running.get((stop.id, stop.number))
        if running is None:
            raise UnknownTask
        running.stop(is_too_late=stop.is_too_late)
        return Response(status_code=204)

    async def _lines(self, runner: Runner, claim: Claim) -> AsyncIterator[bytes]:
        said: asyncio.Queue[Said | None] = asyncio.Queue()

        def tell(text: str, tokens: int) -> None:
            self._live.said(claim.id, text, tokens)
            said.put_nowait(Said(text, tokens))

        self._began(claim.model)
        self._live.began(claim.id, claim.number)
        running = self._running[claim.id, claim.number] = runner.start(claim, tell)
        ending = self._tasks.start(_ending(running, said), claim.id)
        try:
            while (piece := await said.get()) is not None:
                yield encode(piece) + b"\n"
            yield encode(Ended(await ending)) + b"\n"
        finally:
            # Also where the worker has hung up: nobody wants the answer any more.
            running.stop()
            self._running.pop((claim.id, claim.number), None)
            self._live.ended(claim.id)


async def _ending(running: Running, said: "asyncio.Queue[Said | None]") -> Outcome:
    try:
        return await running.outcome()
    finally:
        said.put_nowait(None)
