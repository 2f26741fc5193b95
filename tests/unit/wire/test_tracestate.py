"""What is passed on of `tracestate`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import TraceState

from remuda.wire.tracestate import MAX_BYTES, MAX_MEMBERS, tracestate_of


def state(*values: bytes) -> bytes:
    return tracestate_of([(b"host", b"here"), *((b"tracestate", value) for value in values)])


@pytest.mark.parametrize(
    ("values", "passed_on"),
    [
        ([], b""),
        ([b""], b""),
        ([b"rojo=00f067aa0ba902b7"], b"rojo=00f067aa0ba902b7"),
        ([b"rojo=1,congo=t61rcWkgMzE"], b"rojo=1,congo=t61rcWkgMzE"),
        ([b"rojo=1", b"congo=2"], b"rojo=1,congo=2"),
        ([b" rojo=1 ,\t, congo=2\t,"], b"rojo=1,congo=2"),
        ([b"a_-*/9=x y!"], b"a_-*/9=x y!"),
        ([b"9tenant@system=1"], b"9tenant@system=1"),
        ([b"a= 1"], b"a= 1"),
        ([b"a" * 256 + b"=1"], b"a" * 256 + b"=1"),
        ([b"a=" + b"1" * 256], b"a=" + b"1" * 256),
    ],
)
def test_what_is_passed_on(values: list[bytes], passed_on: bytes):
    assert state(*values) == passed_on


@pytest.mark.parametrize(
    "value",
    [
        b"rojo",
        b"rojo=",
        b"=1",
        b"Rojo=1",
        b"9=1",
        b"a@9=1",
        b"a@b@c=1",
        b"rojo =1",
        b"rojo=1=2",
        b"rojo=\x7f",
        b"rojo=\xe9",
        b"rojo=1\tb",
        b"rojo=1,rojo=2",
        b"a" * 257 + b"=1",
        b"a=" + b"1" * 257,
        b",".join(b"a%d=1" % number for number in range(MAX_MEMBERS + 1)),
    ],
)
def test_one_that_is_malformed_makes_all_worthless(value: bytes):
    assert state(b"fine=1", value) == b""


def test_of_too_much_the_long_go_first_and_then_the_oldest():
    long, short = b"l=" + b"x" * 200, [b"s%d=" % number + b"x" * 90 for number in range(6)]
    assert state(b",".join([long, *short[:4]])) == b",".join(short[:4])
    assert state(b",".join([*short[:2], long])) == b",".join([*short[:2], long])
    assert state(b",".join([*short, long])) == b",".join(short[:5])


@given(st.lists(st.binary(max_size=40) | st.from_regex(rb"[a-z]{1,3}=[a-z]{1,90}", fullmatch=True), max_size=40))
def test_whatever_comes_it_is_bounded_and_others_read_it_alike(values: list[bytes]):
    passed_on = state(*values)
    assert len(passed_on) <= MAX_BYTES
    assert state(passed_on) == passed_on
    assert TraceState.from_header([passed_on.decode()]).to_header().encode() == passed_on
