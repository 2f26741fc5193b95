from remuda.dialects.ollama.documents import LANE


def test_what_is_streamed_is_lines_of_json():
    streamed = {path: list(described.streamed) for path, described in LANE.items() if described.streamed}
    assert streamed == {"/api/chat": ["application/x-ndjson"], "/api/generate": ["application/x-ndjson"]}
