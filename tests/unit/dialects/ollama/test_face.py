import contextlib

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import Fault, InvalidJson, InvalidRequest
from remuda.dialects.ollama.face import lane_routes
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
