"""OpenAI's files and batches: `/v1/files` for what batches read and write, `/v1/batches`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.responses import FileResponse

from remuda.core.batch import Batch, BatchState, StoredFile
from remuda.core.faults import InvalidRequest, Unavailable
from remuda.core.keys import Caller, Scope
from remuda.dialects.kit.access import Access, Rule
from remuda.dialects.kit.bodies import decoded
from remuda.dialects.kit.documents import json_of
from remuda.dialects.kit.lane_routes import operation_id
from remuda.dialects.openai import batch_schemas as schemas
from remuda.dialects.openai.face import VERSIONS
from remuda.dialects.openai.uploads import FORM_BYTES, file_in
from remuda.jobs.batches import Batches
from remuda.jobs.files import Files

OWN: Final = Access(Scope.INFERENCE)
"""Whoever may ask may ask for later; whoever may only read sees no one's prompts."""
RULES: Final = tuple(
    Rule(f"{prefix}/{path}", OWN, methods=None)
    for prefix in VERSIONS
    for path in ("files", "files/*", "batches", "batches/*")
)
ENDPOINTS: Final = tuple(
    f"{prefix}/{path}" for prefix in VERSIONS for path in ("chat/completions", "completions", "embeddings", "responses")
)
WINDOW: Final = "24h"
MAX_FILES: Final = 10_000
MAX_BATCHES: Final = 100
LISTED_BATCHES: Final = 20
MAX_KEY: Final = 256
"""Characters of an idempotency key."""

Handler = Callable[[Request, Caller], Awaitable[Response]]
Listed = TypeVar("Listed", bound=schemas.FileObject | schemas.BatchObject)
_new_batch: Final = msgspec.json.Decoder(schemas.NewBatchBody).decode
_FORM: Final = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["purpose", "file"],
            "properties": {
                "purpose": {"type": "string", "enum": ["batch"]},
                "file": {"type": "string", "format": "binary"},
                "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
                "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2_592_000},
            },
        }
    }
}
_BYTES: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class BatchRoutes:
    """What answers them."""

    def __init__(self, files: Files | None = None, batches: Batches | None = None) -> None:
        """Without anything, to be listed and described only."""
        self._given_files = files
        self._given_batches = batches

    @property
    def body_bounds(self) -> Mapping[str, int]:
        """How long what is posted to these paths may be, where that is not as long as everywhere."""
        files = self._given_files
        return {} if files is None else {f"{prefix}/files": files.bounds.file_bytes + FORM_BYTES for prefix in VERSIONS}

    def add_to(self, routes: APIRouter) -> None:
        """All of them."""
        for prefix in VERSIONS:
            add = _adder(routes, prefix)
            add("POST", "/files", self._upload, "Hand in a file", json_of(schemas.FileObject), _FORM)
            add("GET", "/files", self._list_files, "List your files", json_of(schemas.FileList))
            add("GET", "/files/{id}", self._file, "Describe a file", json_of(schemas.FileObject))
            add("DELETE", "/files/{id}", self._delete, "Delete a file", json_of(schemas.DeletedFile))
            add("GET", "/files/{id}/content", self._content, "What is in a file", _BYTES)
            add(
                "POST",
                "/batches",
                self._create,
                "Have a file of requests answered later",
                json_of(schemas.BatchObject),
                json_of(schemas.NewBatchBody),
            )
            add("GET", "/batches", self._list_batches, "List your batches", json_of(schemas.BatchList))
            add("GET", "/batches/{id}", self._batch, "How a batch stands", json_of(schemas.BatchObject))
            add("POST", "/batches/{id}/cancel", self._cancel, "Cancel a batch", json_of(schemas.BatchObject))

    @property
    def _files(self) -> Files:
        if self._given_files is None:
            raise Unavailable
        return self._given_files

    @property
    def _batches(self) -> Batches:
        if self._given_batches is None:
            raise Unavailable
        return self._given_batches

    async def _upload(self, request: Request, caller: Caller) -> Response:
        return _json(_file_object(await file_in(request, self._files, caller.key_id)))

    async def _list_files(self, request: Request, caller: Caller) -> Response:
        sent = request.query_params
        order = sent.get("order", "desc")
        if order not in ("asc", "desc"):
            raise InvalidRequest("'order' is asc or desc", parameter="order", received=order[:100])
        limit = _limit(sent.get("limit"), MAX_FILES, MAX_FILES)
        page = await self._files.page(
            _whose(caller), sent.get("purpose"), limit + 1, sent.get("after"), is_ascending=order == "asc"
        )
        return _json(schemas.FileList(*_page([_file_object(file) for file in page], limit)))

    async def _file(self, request: Request, caller: Caller) -> Response:
        return _json(_file_object(await self._files.find(request.path_params["id"], _whose(caller))))

    async def _delete(self, request: Request, caller: Caller) -> Response:
        id_: str = request.path_params["id"]
        await self._files.delete(id_, _whose(caller))
        return _json(schemas.DeletedFile(id_))

    async def _content(self, request: Request, caller: Caller) -> Response:
        file, path = await self._files.content(request.path_params["id"], _whose(caller))
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}"}
        if request.state.is_head:
            headers["content-length"] = str(file.size_bytes)
            return Response(media_type="application/octet-stream", headers=headers)
        return FileResponse(path, media_type="application/octet-stream", headers=headers)

    async def _create(self, request: Request, caller: Caller) -> Response:
        asked = decoded(_new_batch, await request.body())
        if asked.endpoint not in ENDPOINTS:
            raise InvalidRequest(
                f"batches are for {', '.join(ENDPOINTS[: len(ENDPOINTS) // 2])}",
                parameter="endpoint",
                received=asked.endpoint[:100],
            )
        if asked.completion_window != WINDOW:
            raise InvalidRequest(
                f"the completion window is {WINDOW}",
                parameter="completion_window",
                received=asked.completion_window[:100],
            )
        key = request.headers.get("idempotency-key")
        if key is not None and not 0 < len(key) <= MAX_KEY:
            raise InvalidRequest(f"an idempotency key has 1 to {MAX_KEY} characters", parameter="Idempotency-Key")
        batch = await self._batches.create(
            asked.endpoint,
            asked.input_file_id,
            key_id=caller.key_id,
            sees=_whose(caller),
            metadata=asked.metadata,
            output_keep_s=None if asked.output_expires_after is None else asked.output_expires_after.seconds,
            idempotency_key=key,
        )
        return _json(_batch_object(batch))

    async def _list_batches(self, request: Request, caller: Caller) -> Response:
        sent = request.query_params
        limit = _limit(sent.get("limit"), MAX_BATCHES, LISTED_BATCHES)
        page = await self._batches.page(_whose(caller), limit + 1, sent.get("after"))
        return _json(schemas.BatchList(*_page([_batch_object(batch) for batch in page], limit)))

    async def _batch(self, request: Request, caller: Caller) -> Response:
        return _json(_batch_object(await self._batches.find(request.path_params["id"], _whose(caller))))

    async def _cancel(self, request: Request, caller: Caller) -> Response:
        return _json(_batch_object(await self._batches.cancel(request.path_params["id"], _whose(caller))))


def _whose(caller: Caller) -> str | None:
    """Whose files and batches this caller sees: its own; None, where it may see all."""
    return None if caller.may(Scope.ADMIN) else caller.key_id


def _limit(said: str | None, most: int, otherwise: int) -> int:
    if said is None:
        return otherwise
    if not (said.isascii() and said.isdigit() and len(said) < 9 and 1 <= int(said) <= most):
        raise InvalidRequest(f"'limit' is a whole number from 1 to {most}", parameter="limit", received=said[:100])
    return int(said)


def _page(found: list[Listed], limit: int) -> tuple[list[Listed], bool, str | None, str | None]:
    """A page, whether there are others, and the ids at its ends, of one more than `limit` that were looked for."""
    shown = found[:limit]
    return shown, len(found) > limit, shown[0].id if shown else None, shown[-1].id if shown else None


def _file_object(file: StoredFile) -> schemas.FileObject:
    return schemas.FileObject(
        id=file.id,
        bytes=file.size_bytes,
        created_at=int(file.created_at),
        expires_at=_whole(file.expires_at),
        filename=file.filename,
        purpose=file.purpose,
    )


def _batch_object(batch: Batch) -> schemas.BatchObject:
    state, ended_at = batch.state, _whole(batch.ended_at)
    errors = [schemas.BatchError(each.code, each.message, each.param, each.line) for each in batch.errors]
    has_files = state.is_over
    return schemas.BatchObject(
        id=batch.id,
        endpoint=batch.endpoint,
        errors=schemas.BatchErrors(errors) if errors else None,
        input_file_id=batch.input_file_id,
        completion_window=WINDOW,
        status=state.value,
        output_file_id=batch.output_file_id if has_files and batch.output_bytes else None,
        error_file_id=batch.error_file_id if has_files and batch.error_bytes else None,
        created_at=int(batch.created_at),
        in_progress_at=_whole(batch.in_progress_at),
        expires_at=int(batch.expires_at),
        finalizing_at=_whole(batch.finalizing_at),
        completed_at=ended_at if state is BatchState.COMPLETED else None,
        failed_at=ended_at if state is BatchState.FAILED else None,
        expired_at=ended_at if state is BatchState.EXPIRED else None,
        cancelling_at=_whole(batch.cancelling_at),
        cancelled_at=ended_at if state is BatchState.CANCELLED else None,
        request_counts=schemas.Counts(batch.total, batch.completed, batch.failed),
        metadata=batch.metadata,
    )


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)


def _json(value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _adder(routes: APIRouter, prefix: str) -> Callable[..., None]:
    def add(
        method: str,
        path: str,
        handler: Handler,
        summary: str,
        answer: dict[str, Any],
        body: dict[str, Any] | None = None,
    ) -> None:
        async def endpoint(request: Request) -> Response:
            return await handler(request, request.state.caller)

        extra: dict[str, Any] = {}
        if "{id}" in path:
            extra["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
        if body is not None:
            extra["requestBody"] = {"required": True, "content": body}
        routes.add_api_route(
            prefix + path,
            endpoint,
            methods=[method],
            summary=summary,
            operation_id=operation_id(method, prefix + path.replace("{id}", "id")),
            responses={200: {"description": "As asked.", "content": answer}},
            openapi_extra=extra or None,
        )

    return add
