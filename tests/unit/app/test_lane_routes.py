"""The lane has the inference routes of every dialect, each path once."""

from collections import Counter

from remuda.app.lane_routes import lane_routes
from remuda.core.clock import SystemClock
from remuda.core.ids import request_ids
from remuda.dialects.openai.face import OpenAIFace


def test_all_dialects_are_there() -> None:
    routes = lane_routes(OpenAIFace(), SystemClock(), request_ids())
    assert {route.face.name for route in routes} == {"openai", "ollama", "anthropic", "observe"}
    assert set(Counter(route.path for route in routes).values()) == {1}
    assert [route.path for route in routes if route.is_logged] == ["/proxy/v1/chat/completions"]
