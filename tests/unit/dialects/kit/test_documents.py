import msgspec

from remuda.dialects.kit.documents import Described, event_stream, lane_document, schemas


class Body(msgspec.Struct):
    name: str


def test_a_route_of_the_lane() -> None:
    whole = lane_document(Described("s", "d", Body, "An answer."))
    assert whole["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Body"}
    said = whole["responses"]["200"]
    assert (said["description"], list(said["content"])) == ("An answer.", ["application/json"])
    streamed = lane_document(Described("s", "d", Body, "An answer.", event_stream()))["responses"]["200"]
    assert list(streamed["content"]) == ["application/json", "text/event-stream"]


def test_schemas_are_those_of_the_structs() -> None:
    assert schemas([Body])["Body"]["required"] == ["name"]
