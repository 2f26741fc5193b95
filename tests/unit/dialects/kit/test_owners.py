import pytest

from remuda.core.faults import Fault, UnknownRoute
from remuda.dialects.kit.owners import Guest, Owners
from remuda.gateway.face import Refusal


def renderer(name: bytes):
    return lambda _fault, request_id: Refusal(404, (), name + b" " + request_id.encode())


OWNERS = Owners(renderer(b"rest"), {"/api": renderer(b"api"), "/api/chat": renderer(b"chat")})


@pytest.mark.parametrize(
    ("path", "owner"),
    [("/", b"rest"), ("/apis", b"rest"), ("/api", b"api"), ("/api/x", b"api"), ("/api/chat/x", b"chat")],
)
def test_longest_prefix_owns_the_path(path, owner):
    fault: Fault = UnknownRoute()
    assert OWNERS.refusal(path, fault, "id") == Refusal(404, (), owner + b" id")


@pytest.mark.parametrize(
    ("path", "headers", "owner"),
    [
        ("/api/x", [(b"speaks", b"1")], b"guest"),
        ("/api", [(b"host", b"h"), (b"speaks", b"")], b"guest"),
        ("/api/x", [(b"host", b"h")], b"api"),
        ("/api/chat", [(b"speaks", b"1")], b"chat"),
        ("/", [(b"speaks", b"1")], b"rest"),
    ],
)
def test_a_guest_is_spoken_to_in_its_own_words(path, headers, owner):
    owners = Owners(
        renderer(b"rest"),
        {"/api": renderer(b"api"), "/api/chat": renderer(b"chat")},
        guests=[Guest(b"speaks", "/api", renderer(b"guest"))],
    )
    assert owners.refusal(path, UnknownRoute(), "id", headers) == Refusal(404, (), owner + b" id")
