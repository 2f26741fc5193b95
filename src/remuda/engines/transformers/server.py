"""The child's HTTP side: OpenAI's routes over one loaded model, and what llama.cpp's server tells of itself.

A client that leaves has its handler cancelled, streamed or not, and so its work given up.
"""

import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from aiohttp import web

from remuda.core.ids import Ids
from remuda.engines.transformers import answers
from remuda.engines.transformers.answers import DONE, Head, Said, json_of
from remuda.engines.transformers.asked import (
    Refused,
    Wish,
    chat_of,
    not_offered,
    prompts_of,
    wants_base64,
    wants_usage,
    wish_of,
)
from remuda.engines.transformers.speaking import Model, Piece, check_length, pieces
from remuda.engines.transformers.work import Desks, Work

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 256 * 1024 * 1024
"""The gateway has its own bound, which is lower by default."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Part:
    """What comes from a model's thread: first the prompts' tokens, then pieces of each answer."""

    __slots__ = ("index", "piece", "prompt_tokens")

    def __init__(self, index: int, piece: Piece, prompt_tokens: int) -> None:
        self.index = index
        self.piece = piece
        self.prompt_tokens = prompt_tokens


class Server:
    """Answers for one model."""

    def __init__(
        self,
        model: Model,
        ids: Ids,
        wall: Callable[[], float],
        api_key: str | None,
        on_broken: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_broken` is called after a failure of the kind that all later requests would meet too."""
        self._on_broken = on_broken
        self._model = model
        self._ids = ids
        self._wall = wall
        self._api_key = api_key
        self._desks = Desks(model.slots)

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._guard])
        app.router.add_get("/health", self._health)
        app.router.add_get("/props", self._props)
        app.router.add_get("/slots", self._slots)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/chat/completions/input_tokens", self._count)
        app.router.add_post("/v1/completions", self._completion)
        app.router.add_post("/v1/embeddings", self._embeddings)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nobody without the key, and every error in OpenAI's shape."""
        if self._api_key is not None:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self._api_key.encode()):
                return _error(401, {"message": "the key is wrong", "type": "authentication_error"})
        try:
            return await handler(request)
        except Refused as refused:
            return _error(400, refused.error)
        except web.HTTPException as error:
            return _error(error.status, {"message": error.reason, "type": "invalid_request_error"})
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged, and the client gets an answer
            return _error(500, self._failed(error))

    # What it tells of itself

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _props(self, request: web.Request) -> web.Response:
        generation = {"n_ctx": self._model.context}
        return _json({"total_slots": self._model.slots, "default_generation_settings": generation})

    async def _slots(self, request: web.Request) -> web.Response:
        busy = self._desks.busy
        return _json([{"id": number, "is_processing": number < busy} for number in range(self._model.slots)])

    async def _models(self, request: web.Request) -> web.Response:
        return _json({"object": "list", "data": [{"id": self._model.name, "object": "model", "owned_by": "local"}]})

    # What it is asked

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        chat = chat_of(body)
        return await self._generate(request, body, lambda: [self._model.chat_tokens(chat)], is_chat=True)

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        texts = prompts_of(body, "prompt")
        return await self._generate(
            request, body, lambda: [self._model.text_tokens(text) for text in texts], is_chat=False
        )

    async def _count(self, request: web.Request) -> web.Response:
        chat = chat_of(await _body(request))
        return _json({"object": "response.input_tokens", "input_tokens": len(self._model.chat_tokens(chat))})

    async def _embeddings(self, request: web.Request) -> web.Response:
        body = await _body(request)
        texts, is_base64, model = prompts_of(body, "input"), wants_base64(body), self._model
        if not model.embeds:
            raise not_offered("This model gives text and no embeddings.")

        def make(is_given_up: Callable[[], bool]) -> Iterator[tuple[list[float], int]]:
            tokens = [model.text_tokens(text) for text in texts]
            for each in tokens:
                check_length(model, each)
            for each in tokens:
                yield model.vector(each), len(each)

        found = await _all(self._desks.begin(make))
        vectors, counts = [vector for vector, _ in found], sum(count for _, count in found)
        return _json(answers.embeddings(model.name, vectors, counts, is_base64=is_base64))

    async def _generate(
        self, request: web.Request, body: dict[str, Any], prompts: Callable[[], list[list[int]]], *, is_chat: bool
    ) -> web.StreamResponse:
        model, wish = self._model, wish_of(body)
        if model.embeds:
            raise not_offered("This model gives embeddings and no text.")
        head = Head(f"{'chatcmpl' if is_chat else 'cmpl'}-{self._ids()}", model.name, int(self._wall()), is_chat)
        work = self._desks.begin(lambda is_given_up: _parts(model, prompts(), wish, is_given_up))
        try:
            first = await work.next()
            if body.get("stream") is True:
                return await self._streamed(request, head, work, first, shows_usage=wants_usage(body))
            return await _whole(head, work, first)
        finally:
            work.give_up()

    async def _streamed(
        self, request: web.Request, head: Head, work: Work[_Part], part: _Part | None, *, shows_usage: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        begun: set[int] = set()
        tokens = prompt_tokens = 0
        try:
            while part is not None:
                index, piece = part.index, part.piece
                prompt_tokens = part.prompt_tokens
                data = b""
                if index not in begun:
                    begun.add(index)
                    data = head.chunk(index, None, None) if head.is_chat else b""
                if piece.text:
                    data += head.chunk(index, piece.text, None)
                if piece.finish is not None:
                    tokens += piece.tokens
                    data += head.chunk(index, "", piece.finish)
                if data:
                    await response.write(data)
                part = await work.next()
        except ConnectionError:
            return response  # the client has left
        except Exception as error:  # noqa: BLE001 - as above; the status has been sent already
            await response.write(answers.event({"error": self._failed(error)}))
        else:
            await response.write((head.usage_chunk(prompt_tokens, tokens) if shows_usage else b"") + DONE)
        await response.write_eof()
        return response

    def _failed(self, error: Exception) -> dict[str, Any]:
        """What is said of a failure: without its own words, which may quote the prompt or name files."""
        log.error("a request failed", exc_info=error)
        name = type(error).__name__
        is_full = "OutOfMemory" in name or isinstance(error, MemoryError)
        if not is_full and (name == "AcceleratorError" or "CUDA error" in str(error)):
            self._on_broken()
        what = "memory was too small for it" if is_full else name
        return {"message": f"The model's engine failed: {what}.", "type": "server_error", "code": 500}


def _parts(model: Model, prompts: list[list[int]], wish: Wish, is_given_up: Callable[[], bool]) -> Iterator[_Part]:
    """All pieces of all answers, one answer after the other."""
    for prompt in prompts:
        check_length(model, prompt)
    total = sum(map(len, prompts))
    for number, prompt in enumerate(prompts):
        for choice in range(wish.choices):
            seed = None if wish.seed is None else wish.seed + choice
            for piece in pieces(model, prompt, wish, seed, is_given_up):
                yield _Part(number * wish.choices + choice, piece, total)


async def _whole(head: Head, work: Work[_Part], part: _Part | None) -> web.Response:
    said: list[Said] = []
    texts: list[str] = []
    tokens = prompt_tokens = 0
    while part is not None:
        prompt_tokens = part.prompt_tokens
        texts.append(part.piece.text)
        if part.piece.finish is not None:
            said.append(Said("".join(texts), part.piece.finish))
            tokens += part.piece.tokens
            texts.clear()
        part = await work.next()
    return _json(head.whole(said, prompt_tokens, tokens))


async def _all(work: Work[Any]) -> list[Any]:
    found = []
    try:
        while (item := await work.next()) is not None:
            found.append(item)
    finally:
        work.give_up()
    return found


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise Refused("The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise Refused("The request body must be a JSON object.")
    return body


def _error(status: int, error: dict[str, Any]) -> web.Response:
    return _json({"error": error}, status)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=json_of(value), status=status, content_type="application/json")
