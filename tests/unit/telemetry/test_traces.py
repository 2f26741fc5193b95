"""Where requests stand in the traces of their clients."""

import pytest

from remuda.core.ids import random_ids
from remuda.telemetry.traces import Places

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def places() -> Places:
    return Places(random_ids(), max_open=2)


def test_a_request_joins_the_trace_that_its_client_names(places):
    place = places.begin("req_1", 1.0, f"00-{TRACE}-{PARENT}-01".encode())
    assert (place.trace_id, place.parent_id, place.is_sampled) == (TRACE, PARENT, True)
    assert place.span_id != PARENT
    assert place.traceparent == f"00-{TRACE}-{place.span_id}-01".encode()
    assert places.end("req_1", 1.0) == place
    assert places.end("req_1", 1.0).trace_id != TRACE


def test_what_others_keep_with_the_trace_stays_with_it(places):
    assert places.begin("req_1", 1.0, f"00-{TRACE}-{PARENT}-01".encode(), b"rojo=1").state == b"rojo=1"
    assert places.begin("req_2", 1.0, b"nonsense", b"rojo=1").state == b"", "not with another one"
    assert places.end("req_1", 1.0).state == b"rojo=1"


@pytest.mark.parametrize(("flags", "is_sampled"), [("00", False), ("02", False), ("03", True), ("ff", True)])
def test_whether_a_trace_is_looked_at_its_beginning_says(places, flags, is_sampled):
    place = places.begin("req_1", 1.0, f"00-{TRACE}-{PARENT}-{flags}".encode())
    assert place.is_sampled is is_sampled
    assert place.traceparent.endswith(b"-01" if is_sampled else b"-00")


def test_of_a_later_version_the_fields_that_stay_are_read(places):
    assert places.begin("req_1", 1.0, f"cc-{TRACE}-{PARENT}-01-more".encode()).parent_id == PARENT


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        b"",
        b"nonsense",
        f"ff-{TRACE}-{PARENT}-01".encode(),
        f"00-{TRACE}-{PARENT}-01-more".encode(),
        f"00-{TRACE.upper()}-{PARENT}-01".encode(),
        f"00-{'0' * 32}-{PARENT}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"00-{TRACE}-{PARENT}-01\n".encode(),
        b"\xff" * 55,
    ],
)
def test_what_is_no_traceparent_is_none(places, traceparent):
    place = places.begin("req_1", 1.0, traceparent)
    assert (place.parent_id, place.is_sampled, len(place.trace_id), len(place.span_id)) == ("", True, 32, 16)
    assert place.trace_id != TRACE


def test_there_are_not_more_than_so_many(places):
    traceparent = f"00-{TRACE}-{PARENT}-01".encode()
    for number in range(3):
        places.begin(f"req_{number}", 1.0, traceparent)
    assert [places.end(f"req_{number}", 1.0).parent_id for number in range(3)] == ["", PARENT, PARENT]
