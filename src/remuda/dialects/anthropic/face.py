"""The face towards the lane."""

from typing import Final

from remuda.core.ask import Ask, Operation
from remuda.core.faults import Fault, InvalidJson
from remuda.core.ids import Ids
from remuda.dialects.anthropic.answers import MessagesAnswer
from remuda.dialects.anthropic.asks import read_messages
from remuda.dialects.anthropic.errors import refusal, stream_error
from remuda.gateway.face import AnswerTranslator, LaneRoute, Refusal

NAME: Final = "anthropic"
MESSAGES: Final = "/v1/messages"


class AnthropicFace:
    """Anthropic's Messages API on the lane."""

    name: Final = NAME
    takes_comments: Final = True

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def read(self, operation: Operation, body: bytes) -> Ask:
        """The ask that `body` holds, in the words of engines."""
        try:
            return read_messages(body)
        except RecursionError:  # what could just be read, but not be written a few levels deeper
            raise InvalidJson("the request body is nested too deeply") from None

    def translator(self, ask: Ask) -> AnswerTranslator | None:
        """What makes Anthropic's answer of an engine's."""
        return MessagesAnswer(ask, "msg_" + self._ids().removeprefix("req_"))

    def refusal(self, fault: Fault, request_id: str) -> Refusal:
        """The answer that says `fault`."""
        return refusal(fault, request_id)

    def stream_error(self, fault: Fault, request_id: str) -> bytes:
        """The event that says `fault`."""
        return stream_error(fault, request_id)


def lane_routes(ids: Ids) -> list[LaneRoute]:
    """The inference routes."""
    return [LaneRoute(MESSAGES, AnthropicFace(ids), Operation.CHAT)]
