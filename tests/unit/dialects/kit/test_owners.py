import pytest

from remuda.core.faults import Fault, UnknownRoute
from remuda.dialects.kit.owners import Owners
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
