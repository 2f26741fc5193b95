"""Which gateways a request has come through."""

import pytest

from remuda.core.faults import LoopDetected
from remuda.wire.via import MAX_BYTES, MAX_HOPS, Via, via_of, with_hop


def said(*values: bytes) -> Via | None:
    return via_of([(b"host", b"here"), *((b"via", value) for value in values)])


@pytest.mark.parametrize(
    ("values", "hops"),
    [
        ([b"1.1 remuda-1"], {"remuda-1"}),
        ([b"1.0 fred, 1.1 p.example.net"], {"fred", "p.example.net"}),
        ([b"1.1 a", b"HTTP/2 b"], {"a", "b"}),
        ([b"1.1 a (Apache/1.1)"], {"a"}),
        ([b",, 1.1\ta ,"], {"a"}),
        ([b"alone"], set()),
        ([b"1.1 \xff"], {"\xff"}),
    ],
)
def test_each_has_its_pseudonym_there(values: list[bytes], hops: set[str]) -> None:
    via = said(*values)
    assert via is not None
    assert via.hops == hops


@pytest.mark.parametrize("values", [[], [b""], [b" , ", b","]])
def test_who_names_nobody_came_straight(values: list[bytes]) -> None:
    assert said(*values) is None


@pytest.mark.parametrize(
    "values", [[b", ".join([b"1.1 a"] * (MAX_HOPS + 1))], [b"1.1 a"] * (MAX_HOPS + 1), [b"1.1 " + b"a" * MAX_BYTES]]
)
def test_what_is_too_long_is_refused(values: list[bytes]) -> None:
    with pytest.raises(LoopDetected, match="more gateways"):
        said(*values)


def test_as_much_as_may_be_is_taken() -> None:
    assert said(b", ".join([b"1.1 a"] * MAX_HOPS)) is not None
    assert said(b"1.1 " + b"a" * (MAX_BYTES - 4)) is not None


def test_whoever_passes_it_on_comes_last() -> None:
    assert with_hop(None, b"me") == b"1.1 me"
    assert with_hop(said(b"1.0 a (x)", b"1.1 b"), b"me") == b"1.0 a (x), 1.1 b, 1.1 me"
