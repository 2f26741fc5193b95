"""What the gateway asks of a dialect; the dialects themselves stand above and are handed in."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl

from remuda.core.ask import Ask, Operation
from remuda.core.faults import Fault, InvalidRequest
from remuda.core.keys import Scope


class Refusal(NamedTuple):
    """A fault as one dialect says it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Answered(Exception):
    """What a face has answered by itself: no engine is asked."""

    def __init__(self, model: str, headers: bytes, body: bytes) -> None:
        """`model`: whose answer it is, for the record. `headers`: finished lines of a head."""
        super().__init__(model)
        self.model = model
        self.headers = headers
        self.body = body


class AnswerTranslator(Protocol):
    """Turns what an engine answers (OpenAI's shapes) into a dialect's own, without I/O; one for each answer."""

    @property
    def content_type(self) -> bytes:
        """Of what comes out."""
        ...

    def feed(self, data: bytes) -> bytes:
        """What the client gets for the next piece of a stream of events; nothing until something is complete. Raises a
        Fault where the stream is not what it should be; an error in it is said in the dialect's words."""
        ...

    def end(self) -> bytes:
        """What is left to say once the stream has ended well; asked for once, and never after a failure."""
        ...

    def whole(self, body: bytes) -> bytes:
        """The whole answer for an engine's whole answer; raises a Fault where that is not what it should be."""
        ...


class Face(Protocol):
    """One dialect, as far as the lane needs it."""

    @property
    def name(self) -> str:
        """The dialect's name, as in the journal."""
        ...

    @property
    def id_header(self) -> bytes:
        """Under what other name than `x-request-id` its clients look for the request's id; empty: none."""
        ...

    @property
    def takes_comments(self) -> bool:
        """Whether its streams may hold comments (server-sent events), which say to those who wait that they do."""
        ...

    def read(self, operation: Operation, body: bytes) -> Ask:
        """The ask that a request body holds; raises InvalidRequest, and Answered where that was all there is to do."""
        ...

    def translator(self, ask: Ask) -> AnswerTranslator | None:
        """What the answer to `ask`, which this face has read, goes through on its way to the client; None: nothing, the
        engine's own words are this dialect's."""
        ...

    def refusal(self, fault: Fault, request_id: str) -> Refusal:
        """The answer that says `fault`, before anything else has been sent."""
        ...

    def stream_error(self, fault: Fault, request_id: str) -> bytes:
        """What says `fault` inside a stream that has begun."""
        ...


@dataclass(frozen=True, slots=True)
class LaneRoute:
    """An inference POST that the lane carries."""

    path: str
    face: Face
    operation: Operation | None
    """None only for the route that refuses what came to no route."""
    scope: Scope = Scope.INFERENCE
    is_logged: bool = False
    """It is there to have requests logged: what is kept of their text has a setting of its own."""
    names_node: bool = False
    """Its address has a `node_id`, for which it is refused once its caller is known."""

    def at(self, query: bytes) -> "LaneRoute":
        """Itself, for an address with that `query`."""
        if not any(name == "node_id" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)):
            return self
        return LaneRoute(self.path, self.face, self.operation, self.scope, self.is_logged, names_node=True)


def node_named() -> InvalidRequest:
    """A client has said which server is to answer, which is the gateway's choice."""
    return InvalidRequest("specifying node_id is not allowed", parameter="node_id")
