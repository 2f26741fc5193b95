"""The routes of document S2, and those beyond it below `/tasks`."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from remuda.core.faults import InvalidRequest, RateLimited, Unavailable, UnknownTask
from remuda.core.ids import Ids, random_ids
from remuda.core.keys import Caller, Scope
from remuda.core.task import TaskState
from remuda.dialects.kit.access import Access, Rule
from remuda.dialects.kit.documents import event_stream, json_of
from remuda.dialects.kit.lane_routes import operation_id
from remuda.dialects.tasks import schemas
from remuda.dialects.tasks.asks import NAME, Defaults, task_in
from remuda.dialects.tasks.errors import refusal
from remuda.dialects.tasks.rate import Granted, RateLimit
from remuda.dialects.tasks.streaming import END, events_of, told_before
from remuda.dialects.tasks.views import result_of, row_of, status_of_task
from remuda.dialects.tasks.webhooks import entry_shown
from remuda.jobs.queue import TaskQueue
from remuda.store.tasks import TaskFilter

OWN: Final = Access(Scope.INFERENCE)
WRITING: Final = frozenset(("POST", "DELETE"))
RULES: Final = (
    Rule("/generate", OWN, frozenset(("POST",))),
    Rule("/status/*", OWN),
    Rule("/result/*", OWN),
    Rule("/stream/*", Access(Scope.INFERENCE, takes_query_key=True)),
    Rule("/tasks", OWN),
    Rule("/tasks/*", OWN),
    Rule("/tasks/*", OWN, WRITING),
)
PATHS: Final = ("/generate", "/status", "/result", "/stream", "/tasks")
SCHEMAS: Final = (
    schemas.Generate,
    schemas.Accepted,
    schemas.Status,
    schemas.Completed,
    schemas.Failed,
    schemas.TaskList,
    schemas.TaskRow,
    schemas.DeliveryList,
    schemas.Delivery,
    schemas.RefusedTask,
)
QUEUED: Final = "Your request is being processed. Use the task_id to check status."
MAX_ID_CHARS: Final = 64
"""Longer than any spelling of a UUID."""
MAX_LISTED: Final = 200
LISTED: Final = 50
Handler = Callable[[Request, Caller], Awaitable[Response]]
ID: Final = {"name": "task_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}


class TaskRoutes:
    """What answers them."""

    def __init__(
        self,
        queue: TaskQueue | None = None,
        *,
        limit: RateLimit | None = None,
        task_ids: Ids | None = None,
        defaults: Defaults | None = None,
        first_model: Callable[[], str | None] = lambda: None,
        is_known: Callable[[str], bool] = lambda model: True,
        eta_s: Callable[[str, int], float | None] = lambda model, position: None,
        check_webhook: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """`eta_s`: about how long until the task at a place in a model's queue begins. `check_webhook` raises
        ValueError for a URL that may not be called. Without a queue, to be listed and described only."""
        self._given = queue
        self._limit = limit
        self._task_ids = task_ids or random_ids()
        self._defaults = defaults or Defaults()
        self._first_model = first_model
        self._is_known = is_known
        self._eta_s = eta_s
        self._check_webhook = check_webhook

    def default_model(self) -> str | None:
        """The model that a prompt which names none is for; None where there is none at present."""
        return self._defaults.model or self._first_model()

    def router(self) -> APIRouter:
        """All of them."""
        routes = APIRouter(tags=[NAME], default_response_class=Response)
        add = _adder(routes, self._limited)
        add(
            "POST", "/generate", self._generate, "Have a prompt answered later", schemas.Accepted, 202, schemas.Generate
        )
        add("GET", "/status/{task_id}", self._status, "How a task stands", schemas.Status)
        add("GET", "/result/{task_id}", self._result, "What came of a task", schemas.Completed)
        add("GET", "/stream/{task_id}", self._stream, "A task as it goes on", None)
        add("GET", "/tasks", self._list, "List your tasks", schemas.TaskList)
        add("DELETE", "/tasks/{task_id}", self._cancel, "Cancel a task", schemas.Status)
        add("GET", "/tasks/{task_id}/deliveries", self._deliveries, "How its webhook was told", schemas.DeliveryList)
        add("POST", "/tasks/{task_id}/retry", self._retry, "Let a task that failed run again", schemas.Status)
        return routes

    @property
    def _queue(self) -> TaskQueue:
        if self._given is None:
            raise Unavailable
        return self._given

    async def _generate(self, request: Request, caller: Caller) -> Response:
        new = task_in(
            await request.body(),
            request.headers.get("idempotency-key"),
            task_id=str(UUID(self._task_ids(), version=4)),
            key_id=caller.key_id,
            defaults=self._defaults,
            first_model=self._first_model,
            is_known=self._is_known,
        )
        if new.webhook is not None and self._check_webhook is not None:
            try:
                await self._check_webhook(new.webhook)
            except ValueError as refused:
                raise InvalidRequest(f"webhook: {refused}", parameter="webhook") from refused
        submitted = await self._queue.submit(new)
        return _json(schemas.Accepted("queued", submitted.id, QUEUED), 202)

    async def _status(self, request: Request, caller: Caller) -> Response:
        return _json(await self._shown(_id_in(request), caller))

    async def _result(self, request: Request, caller: Caller) -> Response:
        found = await self._queue.result(_id_in(request), _whose(caller))
        return _json(result_of(found), 200 if found.task.state.is_over else 202)

    async def _stream(self, request: Request, caller: Caller) -> Response:
        task = await self._queue.find(_id_in(request), _whose(caller))
        last = request.headers.get("last-event-id")
        if last == END:
            return Response(status_code=204)
        return StreamingResponse(
            events_of(self._queue, task, _whose(caller), told_before(last)),
            media_type="text/event-stream",
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
        )

    async def _list(self, request: Request, caller: Caller) -> Response:
        sent = request.query_params
        limit = _number(sent.get("limit"), "limit", LISTED)
        if not 1 <= limit <= MAX_LISTED:
            raise InvalidRequest(f"limit is a whole number from 1 to {MAX_LISTED}", parameter="limit")
        wanted = TaskFilter(
            states=_states(sent.get("state")),
            key_id=_whose(caller),
            user_id=sent.get("user_id"),
            model=sent.get("model"),
            since=_moment(sent.get("since"), "since"),
            until=_moment(sent.get("until"), "until"),
        )
        cursor = sent.get("cursor")
        page = await self._queue.page(wanted, limit + 1, None if cursor is None else _number(cursor, "cursor", 0))
        shown = page[:limit]
        return _json(
            schemas.TaskList([row_of(task) for task in shown], str(shown[-1].seq) if len(page) > limit else None),
        )

    async def _cancel(self, request: Request, caller: Caller) -> Response:
        task = await self._queue.cancel(_id_in(request), _whose(caller))
        return _json(status_of_task(task, None, None, None))

    async def _deliveries(self, request: Request, caller: Caller) -> Response:
        found = await self._queue.deliveries(_id_in(request), _whose(caller))
        return _json(schemas.DeliveryList([entry_shown(entry) for entry in found]))

    async def _retry(self, request: Request, caller: Caller) -> Response:
        task = await self._queue.retry(_id_in(request), _whose(caller))
        return _json(status_of_task(task, None, None, None), 202)

    async def _shown(self, id_: str, caller: Caller) -> schemas.Status:
        task = await self._queue.find(id_, _whose(caller))
        position = await self._queue.position(id_) if task.state.is_waiting else None
        eta_s = None if position is None else self._eta_s(task.model, position)
        return status_of_task(task, self._queue.live.tokens_of(id_), position, eta_s)

    def _limited(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """`handler` under the rate limit, which callers without a key are free of: they are local."""

        async def endpoint(request: Request) -> Response:
            caller: Caller = request.state.caller
            if self._limit is None or not caller.key_id:
                return await handler(request, caller)
            granted = self._limit.take(caller.key_id)
            answer = await handler(request, caller) if granted.is_granted else _refused(request, granted)
            answer.headers.update(granted.headers())
            return answer

        return endpoint


def _whose(caller: Caller) -> str | None:
    """Whose tasks this caller sees: its own; None, where it may see all."""
    return None if caller.may(Scope.ADMIN) else caller.key_id


def _id_in(request: Request) -> str:
    """The id in its one way of writing; raises UnknownTask for what cannot be one."""
    said: str = request.path_params["task_id"]
    try:
        return str(UUID(said[:MAX_ID_CHARS]))
    except ValueError:
        raise UnknownTask from None


def _number(said: str | None, name: str, otherwise: int) -> int:
    if said is None:
        return otherwise
    if not (said.isascii() and said.isdigit() and len(said) <= 18):
        raise InvalidRequest(f"{name} is a whole number", parameter=name, received=said[:100])
    return int(said)


def _moment(said: str | None, name: str) -> float | None:
    if said is None:
        return None
    try:
        moment = float(said)
    except ValueError:
        moment = float("nan")
    if not 0 <= moment < 1e11:
        raise InvalidRequest(f"{name} is a time in seconds since 1970", parameter=name, received=said[:100])
    return moment


def _states(said: str | None) -> list[TaskState] | None:
    if said is None:
        return None
    try:
        return [TaskState(word.strip()) for word in said.split(",")[:20]]
    except ValueError:
        words = ", ".join(TaskState)
        raise InvalidRequest(f"a state is one of {words}", parameter="state", received=said[:100]) from None


def _refused(request: Request, granted: Granted) -> Response:
    fault = RateLimited("Rate limit exceeded", retry_after_s=granted.retry_after_s)
    said = refusal(fault, request.state.request_id)
    return Response(said.body, said.status, headers={name.decode(): value.decode() for name, value in said.headers})


def _json(value: msgspec.Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _adder(
    routes: APIRouter, limited: Callable[[Handler], Callable[[Request], Awaitable[Response]]]
) -> Callable[..., None]:
    def add(
        method: str,
        path: str,
        handler: Handler,
        summary: str,
        answer: type | None,
        status: int = 200,
        body: type | None = None,
    ) -> None:
        extra: dict[str, Any] = {}
        if "{task_id}" in path:
            extra["parameters"] = [ID]
        if body is not None:
            extra["requestBody"] = {"required": True, "content": json_of(body)}
        content = event_stream() if answer is None else json_of(answer)
        routes.add_api_route(
            path,
            limited(handler),
            methods=[method],
            status_code=status,
            summary=summary,
            operation_id=operation_id(method, path.replace("{task_id}", "task")),
            responses={status: {"description": "As asked.", "content": content}},
            openapi_extra=extra or None,
        )

    return add
