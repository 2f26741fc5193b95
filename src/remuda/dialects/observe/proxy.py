"""The proxy: a chat in OpenAI's words, answered as its engine answers, and kept with its text."""

from typing import Any, Final

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.faults import Fault
from remuda.core.keys import Scope
from remuda.dialects.kit.access import Access, Rule
from remuda.dialects.kit.documents import Described, event_stream
from remuda.dialects.observe.errors import proxy_refusal
from remuda.dialects.observe.parts import NAME
from remuda.gateway.face import AnswerTranslator, Face, LaneRoute, Refusal

PATH: Final = "/proxy/v1/chat/completions"
RULES: Final = (Rule(PATH, Access(Scope.INFERENCE, also=Scope.READ), methods=None),)


class ProxyChat(msgspec.Struct):
    """What the document names of a chat; all further fields go to the engine unchanged."""

    model: str
    messages: list[dict[str, Any]]
    stream: bool = False
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


SCHEMAS: Final = (ProxyChat,)
DESCRIBED: Final = Described(
    "Answer a chat, and keep its text",
    "As `/v1/chat/completions`; the answer is the engine's own. What was asked and said is kept with the request's "
    "entry in the log, as the setting `journal.proxy_content` has it.",
    ProxyChat,
    "A chat completion; with `stream`, its chunks as server-sent events that end with `[DONE]`.",
    event_stream(),
)


class ProxyFace:
    """Reads asks as OpenAI's dialect does, which it is handed, and says what goes wrong in the document's words."""

    name: Final = NAME
    takes_comments: Final = True
    id_header: Final = b""

    def __init__(self, chats: Face) -> None:
        self._chats = chats

    def read(self, operation: Operation, body: bytes) -> Ask:
        """The ask that `body` holds."""
        return self._chats.read(operation, body)

    def translator(self, ask: Ask) -> AnswerTranslator | None:
        """As those whose words these are."""
        return self._chats.translator(ask)

    def refusal(self, fault: Fault, request_id: str) -> Refusal:
        """The answer that says `fault`."""
        return proxy_refusal(fault, request_id)

    def stream_error(self, fault: Fault, request_id: str) -> bytes:
        """The event that says `fault`, as readers of such streams know it: `data: {"error": ...}`."""
        return self._chats.stream_error(fault, request_id)


def lane_routes(chats: Face) -> list[LaneRoute]:
    """The one inference route; `chats` is OpenAI's face."""
    return [LaneRoute(PATH, ProxyFace(chats), Operation.CHAT, is_logged=True)]
