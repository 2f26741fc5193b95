import contextlib
import json

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import Fault, InvalidJson, InvalidRequest, NotOffered
from remuda.dialects.ollama.face import lane_routes
from remuda.gateway.face import Answered
from remuda.testing.clock import FakeClock

CLOCK = FakeClock()
ROUTES = {route.path: route for route in lane_routes(CLOCK)}


def test_routes():
    assert {path: route.operation for path, route in ROUTES.items()} == {
        "/api/chat": Operation.CHAT,
        "/api/generate": Operation.COMPLETION,
        "/api/embed": Operation.EMBEDDING,
        "/api/embeddings": Operation.EMBEDDING,
    }
    assert {route.face.name for route in ROUTES.values()} == {"ollama"}


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/api/chat", b'{"model":"m","messages":[{"role":"user"}]}', b"application/x-ndjson"),
        ("/api/chat", b'{"model":"m","messages":[{"role":"user"}],"stream":false}', b"application/json"),
        ("/api/generate", b'{"model":"m","prompt":"x"}', b"application/x-ndjson"),
        ("/api/embed", b'{"model":"m","input":"x"}', b"application/json"),
        ("/api/embeddings", b'{"model":"m","prompt":"x"}', b"application/json"),
    ],
)
def test_every_answer_is_translated(path, body, kind):
    face = ROUTES[path].face
    translator = face.translator(face.read(ROUTES[path].operation, body))
    assert translator is not None
    assert translator.content_type.startswith(kind)


@pytest.mark.parametrize(("more", "is_streamed"), [(b"", True), (b',"stream":false', False)])
def test_an_ask_is_kept_as_its_client_wrote_it(more, is_streamed):
    body = b'{ "model" : "m", "prompt":"x", "template":"y"%b}' % more
    native = ROUTES["/api/generate"].face.read(Operation.COMPLETION, body).native
    assert native is not None
    assert (native.dialect, native.path, native.body) == ("ollama", "/api/generate", body)
    assert native.is_streamed is is_streamed
    assert isinstance(native.untranslatable, InvalidRequest)


class Own:
    """The model `mine`, and what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []

    def expires_at(self, name: str) -> float | None:
        return None

    def keep(self, name: str, seconds: float) -> None:
        self.asked.append((name, seconds))

    def unload(self, name: str) -> str | None:
        return "mine" if name == "mine:latest" else None


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings"])
def test_how_long_a_model_stays_is_said_once_its_answer_comes(path):
    own = Own()
    face = {route.path: route for route in lane_routes(CLOCK, own)}[path].face
    body = b'{"model":"m","prompt":"x","input":"x","messages":[{"role":"user"}]%b}'
    face.translator(face.read(ROUTES[path].operation, body % b""))
    ask = face.read(ROUTES[path].operation, body % b',"keep_alive":"5m"')
    assert own.asked == []
    face.translator(ask)
    assert own.asked == [("m", 300)]


@pytest.mark.parametrize(
    ("path", "more", "kind", "said"),
    [
        ("/api/generate", b"", b"application/x-ndjson", {"response": ""}),
        ("/api/generate", b',"stream":false', b"application/json", {"response": ""}),
        ("/api/chat", b',"messages":[]', b"application/x-ndjson", {"message": {"role": "assistant", "content": ""}}),
    ],
)
def test_no_engine_is_asked_to_unload_one_of_our_own(path, more, kind, said):
    face = {route.path: route for route in lane_routes(CLOCK, Own())}[path].face
    with pytest.raises(Answered) as caught:
        face.read(ROUTES[path].operation, b'{"model":"mine:latest","keep_alive":0%b}' % more)
    answered = caught.value
    assert answered.model == "mine"
    assert answered.headers.startswith(b"content-type: " + kind)
    made = json.loads(answered.body)
    assert made.pop("created_at")
    assert made == {"model": "mine:latest", "done": True, "done_reason": "unload", **said}


def test_to_unload_one_elsewhere_is_for_ollama_alone():
    body = b'{"model":"theirs","keep_alive":0}'
    native = ROUTES["/api/generate"].face.read(Operation.COMPLETION, body).native
    assert native is not None
    assert (native.body, native.with_defaults) == (body, None)
    assert isinstance(native.untranslatable, NotOffered)


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings"])
def test_what_is_no_time_is_for_ollama_itself_to_judge(path):
    body = b'{"model":"m","keep_alive":"soon","prompt":"x","input":"x","messages":[{"role":"user"}]}'
    native = ROUTES[path].face.read(ROUTES[path].operation, body).native
    assert native is not None
    assert native.body == body
    assert isinstance(native.untranslatable, InvalidRequest)


def test_what_only_we_take_is_refused_where_it_is_asked_with_no_time():
    with pytest.raises(InvalidRequest, match="keep_alive"):
        ROUTES["/api/embeddings"].face.read(Operation.EMBEDDING, b'{"model":"m","prompt":["x"],"keep_alive":{}}')


def test_what_ollama_would_not_take_is_only_translated():
    body = b'{"model":"m","prompt":["x"]}'
    assert ROUTES["/api/embeddings"].face.read(Operation.EMBEDDING, body).native is None


def test_faults_are_said_in_ollamas_shape():
    face = ROUTES["/api/chat"].face
    assert face.refusal(InvalidRequest("no"), "r").body == b'{"error":"no"}'
    assert face.stream_error(Fault("no"), "r") == b'{"error":"no"}\n'


@pytest.mark.parametrize("depth", [*range(900, 1000), 5000])
def test_a_body_is_read_or_called_too_deep_whatever_its_depth(depth):
    body = b'{"model":"m","prompt":"x","format":%b1%b}' % (b'{"a":' * depth, b"}" * depth)
    with contextlib.suppress(InvalidJson):  # anything else would be a failure of the gateway's own
        ROUTES["/api/generate"].face.read(Operation.COMPLETION, body)
