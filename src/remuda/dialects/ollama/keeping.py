"""Ollama's routes that change what is kept: passed to all nodes that have them, and what came of it is said honestly.

Nodes keep models, this gateway does not: where no node can, the answer is 501.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from remuda.core.faults import ClientGone, InvalidRequest, NotOffered, UnknownModel, UpstreamFailed
from remuda.core.keys import Scope
from remuda.core.tasks import Tasks
from remuda.dialects.kit.access import Access, Rule
from remuda.dialects.kit.bodies import malformed
from remuda.dialects.ollama.keepers import Keepers, Outcome, Said
from remuda.dialects.ollama.schemas import OllamaError
from remuda.wire.ndjson import line_of
from remuda.wire.via import via_of

MAX_LINES_HELD: Final = 1000
"""Lines of progress that wait for a client; beyond them the newest are dropped: what is said next is newer still."""
STREAMED: Final = {"/api/pull": "Fetch a model", "/api/create": "Make a model", "/api/push": "Publish a model"}
BLOBS: Final = "/api/blobs/{digest}"
BELOW_BLOBS: Final = "/api/blobs/*"
PATHS: Final = (*STREAMED, "/api/copy", "/api/delete", "/api/blobs")
RULES: Final = tuple(Rule(each, Access(Scope.MANAGE), methods=None) for path in PATHS for each in (path, path + "/*"))


def add_keeping(routes: APIRouter, keepers: Keepers) -> None:
    """All of them."""
    for path, summary in STREAMED.items():
        _add_streamed(routes, keepers, path, summary)

    async def copy(request: Request) -> Response:
        body = await request.body()
        return _all_of(await _for(request, keepers).call("POST", "/api/copy", body), _text(_asked(body), "source"))

    async def delete(request: Request) -> Response:
        body = await request.body()
        return _all_of(await _for(request, keepers).call("DELETE", "/api/delete", body), _model(_asked(body)))

    async def has_blob(request: Request) -> Response:
        said = await _for(request, keepers).call("HEAD", f"/api/blobs/{_digest(request)}", b"")
        _some(said)
        return Response(status_code=200 if all(each.status == 200 for each in said) else 404)

    async def put_blob(request: Request) -> Response:
        size = request.headers.get("content-length", "")
        path = f"/api/blobs/{_digest(request)}"
        known = int(size) if size.isdigit() else None
        _check_given(await _for(request, keepers).give(path, _pieces(request), known))
        return Response(status_code=201)

    done = {"description": "Done on all nodes that have it."}
    for method, path, endpoint, summary, status in (
        ("POST", "/api/copy", copy, "Give a model another name", 200),
        ("DELETE", "/api/delete", delete, "Delete a model", 200),
        ("GET", BLOBS, has_blob, "Whether all nodes have a file; asked by HEAD", 200),
        ("POST", BLOBS, put_blob, "Give a file to all nodes that lack it", 201),
    ):
        routes.add_api_route(
            path,
            endpoint,
            methods=[method],
            status_code=status,
            summary=summary,
            operation_id=f"{method.lower()}_{path.strip('/').replace('/', '_').replace('{', '').replace('}', '')}",
            responses={status: done},
        )


def _add_streamed(routes: APIRouter, keepers: Keepers, path: str, summary: str) -> None:
    async def streamed(request: Request) -> Response:
        asked = _asked(await request.body())
        _model(asked)
        others = _for(request, keepers)
        if asked.get("stream", True) is not False:
            return StreamingResponse(_lines(others, path, asked), media_type="application/x-ndjson")
        outcomes = await others.stream(path, {**asked, "stream": True}, lambda node, said: None)
        if (error := _error_in(outcomes)) is not None:
            raise UpstreamFailed(error)
        return Response(b'{"status":"success"}', media_type="application/json; charset=utf-8")

    routes.add_api_route(
        path,
        streamed,
        methods=["POST"],
        summary=summary,
        operation_id=f"post_{path.strip('/').replace('/', '_')}",
        responses={200: {"description": "Progress, a line each, or what came of it."}},
    )


def _for(request: Request, keepers: Keepers) -> Keepers:
    return keepers.past(via_of(request.headers.raw))


async def _lines(keepers: Keepers, path: str, asked: Mapping[str, Any]) -> AsyncIterator[bytes]:
    """What nodes say on the way, each line with the name of its node, and one last line of all of them."""
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
    try:
        while (line := await lines.get()) is not None:
            yield line
        error = _error_in(await running, is_raised=False)
        yield line_of({"status": "success"} if error is None else OllamaError(error))
    finally:
        await tasks.close()


def _error_in(outcomes: Sequence[Outcome], *, is_raised: bool = True) -> str | None:
    """What went wrong, of all nodes in one sentence; None where all is well."""
    if not outcomes:
        if is_raised:
            raise _nobody()
        return _nobody().message
    failed = [f"{each.node}: {each.message}" for each in outcomes if not each.is_well]
    return "; ".join(failed)[:1000] or None


def _all_of(said: Sequence[Said], what: str) -> Response:
    """200 where some node has done it and none failed but for not having it; raises UnknownModel, UpstreamFailed."""
    _some(said)
    failed = [each for each in said if each.status != 404 and not 200 <= each.status < 300]
    if failed:
        raise UpstreamFailed("; ".join(f"{each.node}: {_sentence(each)}" for each in failed)[:1000])
    if all(each.status == 404 for each in said):
        raise UnknownModel(f"no node has {what[:200]!r}", parameter="model", received=what[:200])
    return Response(status_code=200)


def _check_given(said: Sequence[Said]) -> None:
    """Raise what is to be said where a node has not taken a file: InvalidRequest where that was the file's fault (it is
    another than its digest says), else UpstreamFailed."""
    _some(said)
    failed = [each for each in said if not 200 <= each.status < 300]
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


def _some(said: Sequence[Said]) -> None:
    if not said:
        raise _nobody()


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


def _digest(request: Request) -> str:
    digest = str(request.path_params["digest"])
    kind, _, digits = digest.partition(":")
    if kind != "sha256" or len(digits) != 64 or not all(each in "0123456789abcdef" for each in digits):
        raise InvalidRequest("a digest is written sha256: and 64 hexadecimal digits", parameter="digest")
    return digest
