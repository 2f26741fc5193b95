"""The face towards the lane."""

from typing import Final

from remuda.core.ask import Ask, Native, Operation
from remuda.core.faults import Fault
from remuda.core.ids import Ids
from remuda.dialects.anthropic.answers import CountAnswer, MessageAnswer
from remuda.dialects.anthropic.asks import AnthropicAsk, read_count, read_messages
from remuda.dialects.anthropic.defaults import with_defaults
from remuda.dialects.anthropic.errors import refusal, stream_error
from remuda.dialects.anthropic.events import ID_HEADER
from remuda.gateway.face import AnswerTranslator, LaneRoute, Refusal

NAME: Final = "anthropic"
MESSAGES: Final = "/v1/messages"
COUNT: Final = "/v1/messages/count_tokens"


class AnthropicFace:
    """Anthropic's Messages API on the lane."""

    name: Final = NAME
    takes_comments: Final = True
    id_header: Final = ID_HEADER

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def read(self, operation: Operation, body: bytes) -> Ask:
        """The ask that `body` holds, in the words of engines, and as it is for those that speak Anthropic's."""
        if operation is Operation.COUNT_TOKENS:
            count = read_count(body)
            count.native = Native(NAME, COUNT, body, False)
            return count
        ask = read_messages(body)
        ask.native = Native(NAME, MESSAGES, body, ask.is_streamed, with_defaults=with_defaults)
        return ask

    def translator(self, ask: Ask) -> AnswerTranslator | None:
        """What makes Anthropic's answer of an engine's."""
        if ask.operation is Operation.COUNT_TOKENS:
            return CountAnswer()
        assert isinstance(ask, AnthropicAsk)
        return MessageAnswer(ask, "msg_" + self._ids().removeprefix("req_"))

    def refusal(self, fault: Fault, request_id: str) -> Refusal:
        """The answer that says `fault`."""
        return refusal(fault, request_id)

    def stream_error(self, fault: Fault, request_id: str) -> bytes:
        """The event that says `fault`."""
        return stream_error(fault, request_id)


def lane_routes(ids: Ids) -> list[LaneRoute]:
    """The inference routes."""
    face = AnthropicFace(ids)
    return [LaneRoute(MESSAGES, face, Operation.CHAT), LaneRoute(COUNT, face, Operation.COUNT_TOKENS)]
