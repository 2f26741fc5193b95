from remuda.dialects.ollama.documents import LANE, lane_document


def test_what_is_streamed_is_lines_of_json():
    said = {path: lane_document(path)["responses"]["200"]["content"].keys() for path in LANE}
    assert {path for path, kinds in said.items() if "application/x-ndjson" in kinds} == {"/api/chat", "/api/generate"}
    assert all("application/json" in kinds for kinds in said.values())
