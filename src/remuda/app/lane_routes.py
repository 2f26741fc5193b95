"""What the lane answers: the inference routes of all dialects."""

from remuda.core.clock import Clock
from remuda.core.ids import Ids
from remuda.dialects.anthropic import face as anthropic
from remuda.dialects.observe import proxy
from remuda.dialects.ollama import face as ollama
from remuda.dialects.ollama.own import NONE, OwnModels
from remuda.dialects.openai import face as openai
from remuda.dialects.openai.face import OpenAIFace
from remuda.gateway.face import LaneRoute


def lane_routes(face: OpenAIFace, clock: Clock, ids: Ids, own: OwnModels = NONE) -> list[LaneRoute]:
    """All of them. `face` is that of the dialect whose words are also those of others, and of what came to no route;
    `own` are the models that this gateway loads."""
    return [
        *openai.lane_routes(face),
        *ollama.lane_routes(clock, own),
        *anthropic.lane_routes(ids),
        *proxy.lane_routes(face),
    ]
