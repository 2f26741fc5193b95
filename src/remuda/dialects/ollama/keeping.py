"""Ollama's routes that change what is kept: passed to all nodes that have them, and what came of it is said honestly.

Nodes keep models, this gateway does not: where no node can, the answer is 501.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Send

from remuda.core.faults import ClientGone, Fault, InvalidRequest, NotOffered, UnknownModel, UpstreamFailed
from remuda.core.keys import Scope
from remuda.core.tasks import Tasks
from remuda.dialects.kit.access import Access, Rule
from remuda.dialects.kit.bodies import malformed
from remuda.dialects.kit.documents import body_of, file, json_of, lines
from remuda.dialects.kit.lane_routes import operation_id
from remuda.dialects.ollama.keepers import LACKS_IT, PUSH, Keepers, Outcome, Said
from remuda.dialects.ollama.schemas import (
    OllamaCopy,
    OllamaCreate,
    OllamaDelete,
    OllamaError,
    OllamaProgress,
    OllamaPull,
    OllamaPush,
)
from remuda.wire.ndjson import line_of
from remuda.wire.via import via_of

MAX_LINES_HELD: Final = 1000
"""Lines of progress that wait for a client; beyond them the newest are dropped: what is said next is newer still."""
KEEPS_NOTHING: Final = 501
"""What another Remuda answers that has no node which keeps models: as if it were not there."""
STREAMED: Final[Mapping[str, tuple[str, type]]] = MappingProxyType(
    {
        "/api/pull": ("Fetch a model", OllamaPull),
        "/api/create": ("Make a model", OllamaCreate),
        PUSH: ("Publish a model", OllamaPush),
    }
)
BLOBS: Final = "/api/blobs/{digest}"
BELOW_BLOBS: Final = "/api/blobs/*"
PATHS: Final = (*STREAMED, "/api/copy", "/api/delete", "/api/blobs")
RULES: Final = tuple(Rule(each, Access(Scope.MANAGE), methods=None) for path in PATHS for each in (path, path + "/*"))

Piece = TypeVar("Piece")


def add_keeping(routes: APIRouter, keepers: Keepers) -> None:
    """All of them."""
    for path in STREAMED:
        _add_streamed(routes, keepers, path)

    async def copy(request: Request) -> Response:
        body = await request.body()
        asked = _asked(body)
        source = _text(asked, "source")
        _text(asked, "destination")
        return _all_of(await _for(request, keepers).call("POST", "/api/copy", body), source)

    async def delete(request: Request) -> Response:
        body = await request.body()
        model = _model(_asked(body))
        return _all_of(await _for(request, keepers).call("DELETE", "/api/delete", body), model)

    async def has_blob(request: Request, digest: str) -> Response:
        said = _some(await _for(request, keepers).call("HEAD", _path(digest), b""))
        return Response(status_code=200 if all(each.status == 200 for each in said) else 404)

    async def put_blob(request: Request, digest: str) -> Response:
        size = request.headers.get("content-length", "")
        path = _path(digest)
        known = int(size) if size.isdigit() else None
        _check_given(await _for(request, keepers).give(path, _pieces(request), known))
        return Response(status_code=201)

    copied, deleted, given = body_of(json_of(OllamaCopy)), body_of(json_of(OllamaDelete)), body_of(file())
    for method, path, endpoint, summary, status, body in (
        ("POST", "/api/copy", copy, "Give a model another name", 200, copied),
        ("DELETE", "/api/delete", delete, "Delete a model", 200, deleted),
        ("HEAD", BLOBS, has_blob, "Whether all nodes have a file", 200, None),
        ("GET", BLOBS, has_blob, "As HEAD, which comes here as GET", 200, None),
        ("POST", BLOBS, put_blob, "Give a file to all nodes that lack it", 201, given),
    ):
        routes.add_api_route(
            path,
            endpoint,
            methods=[method],
            status_code=status,
            summary=summary,
            operation_id=operation_id(method, path),
            responses={status: {"description": "Done on all nodes that have it."}},
            openapi_extra=body,
            include_in_schema=method != "GET",
        )


def _add_streamed(routes: APIRouter, keepers: Keepers, path: str) -> None:
    async def streamed(request: Request) -> Response:
        asked = _asked(await request.body())
        model = _model(asked)
        others = _for(request, keepers)
        if asked.get("stream", True) is not False:
            return _Lines(_progress(others, path, asked, model), media_type="application/x-ndjson")
        outcomes = await others.stream(path, {**asked, "stream": True}, lambda node, said: None)
        if (fault := _fault_in(outcomes, path, model)) is not None:
            raise fault
        return Response(b'{"status":"success"}', media_type="application/json; charset=utf-8")

    summary, struct = STREAMED[path]
    said = {"description": "Progress, a line each, or what came of it.", "content": json_of(OllamaProgress) | lines()}
    routes.add_api_route(
        path,
        streamed,
        methods=["POST"],
        summary=summary,
        operation_id=operation_id("POST", path),
        responses={200: said},
        openapi_extra=body_of(json_of(struct)),
    )


def _for(request: Request, keepers: Keepers) -> Keepers:
    return keepers.past(via_of(request.headers.raw))


class _Lines(StreamingResponse):
    """Begins with its first line: what goes wrong before that has a status of its own, as with Ollama itself."""

    async def stream_response(self, send: Send) -> None:
        """As the library's, once there is a line; raises the fault that comes in its place."""
        lines = aiter(self.body_iterator)
        self.body_iterator = _chained(await anext(lines), lines)
        await super().stream_response(send)


async def _chained(first: Piece, others: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    yield first
    async for other in others:
        yield other


async def _progress(keepers: Keepers, path: str, asked: Mapping[str, Any], model: str) -> AsyncIterator[bytes]:
    """What nodes say on the way, each line with the name of its node, and one last line of all of them. Raises a fault
    that is all there is to say."""
    lines: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_LINES_HELD)

    def progress(node: str, said: Mapping[str, Any]) -> None:
        # The word that clients take for the end comes once, when all nodes have said it.
        if said.get("status") != "success" and lines.qsize() < MAX_LINES_HELD - 1:
            lines.put_nowait(line_of({**said, "node": node}))

    async def run() -> Sequence[Outcome]:
        try:
            return await keepers.stream(path, {**asked, "stream": True}, progress)
        finally:
            lines.put_nowait(None)

    tasks = Tasks("keeping")
    running = tasks.start(run(), path)
    has_begun = False
    try:
        while (line := await lines.get()) is not None:
            has_begun = True
            yield line
        fault = _fault_in(await running, path, model)
        if fault is not None and not has_begun:
            raise fault
        yield line_of({"status": "success"} if fault is None else OllamaError(fault.message))
    finally:
        await tasks.close()


def _fault_in(outcomes: Sequence[Outcome], path: str, model: str) -> Fault | None:
    """What went wrong, of all nodes in one sentence; None where all have done it that keep models, and for publishing
    have this one."""
    able = [each for each in outcomes if each.status != KEEPS_NOTHING]
    if not able:
        return _nobody()
    if path == PUSH:
        able = [each for each in able if each.status != LACKS_IT]
        if not able:
            return _unknown(model)
    failed = [f"{each.node}: {each.message}" for each in able if not each.is_well]
    return UpstreamFailed("; ".join(failed)[:1000]) if failed else None


def _all_of(said: Sequence[Said], what: str) -> Response:
    """200 where some node has done it and none failed but for not having it; raises UnknownModel,
    UpstreamFailed, NotOffered."""
    keeping = _some(said)
    failed = [each for each in keeping if each.status != LACKS_IT and not 200 <= each.status < 300]
    if failed:
        raise UpstreamFailed("; ".join(f"{each.node}: {_sentence(each)}" for each in failed)[:1000])
    if all(each.status == LACKS_IT for each in keeping):
        raise _unknown(what)
    return Response(status_code=200)


def _unknown(model: str) -> UnknownModel:
    return UnknownModel(f"no node has {model[:200]!r}", parameter="model", received=model[:200])


def _check_given(said: Sequence[Said]) -> None:
    """Raise what is to be said where a node has not taken a file: InvalidRequest where that was the file's fault (it is
    another than its digest says), else UpstreamFailed."""
    failed = [each for each in _some(said) if not 200 <= each.status < 300]
    if failed:
        why = "; ".join(f"{each.node}: {_sentence(each)}" for each in failed)[:1000]
        if all(each.status == 400 for each in failed):
            raise InvalidRequest(why, parameter="digest")
        raise UpstreamFailed(why)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The request's body as it comes; raises ClientGone where it breaks off."""
    try:
        async for piece in request.stream():
            if piece:
                yield piece
    except ClientDisconnect:
        raise ClientGone from None


def _some(said: Sequence[Said]) -> Sequence[Said]:
    """What those said that keep models; raises NotOffered where none does."""
    keeping = [each for each in said if each.status != KEEPS_NOTHING]
    if not keeping:
        raise _nobody()
    return keeping


def _nobody() -> NotOffered:
    return NotOffered(
        "this gateway does not offer that, and no node here keeps models: put GGUF files into a folder that it serves"
    )


def _sentence(said: Said) -> str:
    if not said.status:
        return said.body.decode("utf-8", "replace")
    try:
        return str(msgspec.json.decode(said.body, type=OllamaError).error)[:300]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return f"it answers {said.status}"


def _asked(body: bytes) -> dict[str, Any]:
    try:
        asked = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error, body) from None
    if not isinstance(asked, dict):
        raise InvalidRequest("the request body is not a JSON object")
    return asked


def _model(asked: Mapping[str, Any]) -> str:
    return _text(asked, "model", "name")


def _text(asked: Mapping[str, Any], *names: str) -> str:
    for name in names:
        if isinstance(value := asked.get(name), str) and value.strip():
            return value
    raise InvalidRequest(f"the request is missing the required parameter '{names[0]}'", parameter=names[0])


def _path(digest: str) -> str:
    kind, _, digits = digest.partition(":")
    if kind != "sha256" or len(digits) != 64 or not all(each in "0123456789abcdef" for each in digits):
        raise InvalidRequest("a digest is written sha256: and 64 hexadecimal digits", parameter="digest")
    return f"/api/blobs/{digest}"
