"""The face towards the lane: one for each of Ollama's inference routes, as each has an answer of its own."""

from typing import Final

from remuda.core.ask import Ask, Native, Operation
from remuda.core.clock import Clock
from remuda.core.faults import Fault, InvalidJson
from remuda.dialects.ollama.answers import ANSWERS
from remuda.dialects.ollama.asks import READERS, OllamaAsk, Shape
from remuda.dialects.ollama.defaults import with_defaults
from remuda.dialects.ollama.errors import refusal, stream_error
from remuda.dialects.ollama.own import NONE, OwnModels
from remuda.gateway.face import Answered, AnswerTranslator, LaneRoute, Refusal

NAME: Final = "ollama"


class OllamaFace:
    """One of Ollama's routes on the lane."""

    name: Final = NAME
    takes_comments: Final = False
    id_header: Final = b""

    def __init__(self, path: str, shape: Shape, clock: Clock, own: OwnModels) -> None:
        self._path = path
        self._clock = clock
        self._own = own
        self._read = READERS[shape]

    def read(self, operation: Operation, body: bytes) -> Ask:
        """The ask that `body` holds, in the words of engines, and as it is for Ollama itself. Its operation may be
        another than the route's: a prompt that goes through the chat template is a chat for an engine. To unload one
        of the gateway's own models none is asked: raises Answered."""
        try:
            ask = self._read(body)
        except RecursionError:  # what could just be read, but not be written a few levels deeper
            raise InvalidJson("the request body is nested too deeply") from None
        ask.started = self._clock.monotonic()
        if ask.is_unload and (model := self._own.unload(ask.model)) is not None:
            said = ANSWERS[ask.shape](ask, self._clock)
            raise Answered(model, b"content-type: %b\r\n" % said.content_type, said.whole(b""))
        if ask.is_ollamas:
            lays = None if ask.is_load else with_defaults
            ask.native = Native(NAME, self._path, body, ask.has_lines, ask.untranslatable, lays)
        elif ask.untranslatable is not None:
            raise ask.untranslatable
        return ask

    def translator(self, ask: Ask) -> AnswerTranslator | None:
        """What makes Ollama's answer of an engine's. As that has begun, the model is loaded: from now on it stays for
        as long as was asked."""
        assert isinstance(ask, OllamaAsk)
        if ask.keep_alive_s is not None:
            self._own.keep(ask.model, ask.keep_alive_s)
        return ANSWERS[ask.shape](ask, self._clock)

    def refusal(self, fault: Fault, request_id: str) -> Refusal:
        """The answer that says `fault`."""
        return refusal(fault, request_id)

    def stream_error(self, fault: Fault, request_id: str) -> bytes:
        """The line that says `fault`."""
        return stream_error(fault, request_id)


def lane_routes(clock: Clock, own: OwnModels = NONE) -> list[LaneRoute]:
    """The inference routes; `own` are the models that requests may have kept or unloaded."""
    routes = {
        "/api/chat": (Shape.CHAT, Operation.CHAT),
        "/api/generate": (Shape.GENERATE, Operation.COMPLETION),
        "/api/embed": (Shape.EMBED, Operation.EMBEDDING),
        "/api/embeddings": (Shape.EMBEDDINGS, Operation.EMBEDDING),
    }
    return [
        LaneRoute(path, OllamaFace(path, shape, clock, own), operation) for path, (shape, operation) in routes.items()
    ]
