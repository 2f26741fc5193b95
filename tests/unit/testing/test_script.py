"""The steps of an answer, as values: what each fault and shape looks like on the wire."""

import pytest

from remuda.testing import answers
from remuda.testing.answers import Answer
from remuda.testing.behaviour import Behaviour, Fault, Framing, Packing
from remuda.testing.script import Chunk, Drop, End, Hang, Send, Stand, Step, Wait, script

ASK = {"model": "fake", "stream": True, "stream_options": {"include_usage": True}}


def stream(behaviour: Behaviour | None = None) -> Answer:
    return answers.chat(1, ASK, behaviour or Behaviour(tokens=4))


def unary() -> Answer:
    return answers.whole({"text": "x" * 100})


def play(answer: Answer, behaviour: Behaviour | None = None, fault: Fault = Fault.NONE) -> tuple[bytes, bytes, Step]:
    """The head, the rest of the bytes, and the last step."""
    steps = list(script(answer, behaviour or Behaviour(), fault))
    head, _, rest = b"".join(step.data for step in steps if isinstance(step, Send)).partition(b"\r\n\r\n")
    return head, rest, steps[-1]


def unchunked(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        n = int(size.partition(b";")[0], 16)
        if n == 0:
            return body
        body, data = body + data[:n], data[n + 2 :]
    raise AssertionError("the body does not end")


def text(answer: Answer) -> bytes:
    return b"".join(part.data for part in answer.parts)


@pytest.mark.parametrize("packing", Packing)
@pytest.mark.parametrize("trailers", [False, True])
def test_every_packing_says_the_same(packing: Packing, trailers: bool) -> None:
    head, rest, end = play(stream(), Behaviour(packing=packing, trailers=trailers))
    assert unchunked(rest) == text(stream())
    assert b"Transfer-Encoding: chunked" in head
    assert end == End(keep=True)
    assert (b"X-Fake-Trailer" in rest) is trailers


def test_joined_and_torn_events_leave_in_pieces_of_their_own() -> None:
    def writes(packing: Packing) -> list[bytes]:
        steps = script(stream(), Behaviour(packing=packing, framing=Framing.CLOSE), Fault.NONE)
        return [step.data for step in steps if isinstance(step, Send)][1:]

    assert [piece.count(b"data: ") for piece in writes(Packing.JOINED)] == [3, 3, 1]
    assert {len(piece) for piece in writes(Packing.TORN)[:6]} == {1, 2, 3, 5, 8, 13}


@pytest.mark.parametrize("framing", [Framing.CLOSE, Framing.HTTP10])
def test_a_body_that_ends_with_the_connection_has_no_other_end(framing: Framing) -> None:
    head, rest, end = play(stream(), Behaviour(framing=framing))
    assert b"Content-Length" not in head
    assert b"chunked" not in head
    assert rest == text(stream())
    assert end == End(keep=False)
    assert head.startswith(b"HTTP/1.0") is (framing is Framing.HTTP10)


def test_a_length_is_true_unless_told_to_lie() -> None:
    size = unary().size_bytes
    for fault, told, end in (
        (Fault.NONE, [size], End(keep=True)),
        (Fault.LENGTH_TOO_LONG, [size + 10], Drop()),
        (Fault.LENGTH_TOO_SHORT, [size - 10], End(keep=True)),
        (Fault.LENGTH_TWICE, [size, size + 10], End(keep=True)),
    ):
        head, rest, last = play(unary(), fault=fault)
        lines = [line for line in head.decode().split("\r\n") if line.startswith("Content-Length")]
        assert lines == [f"Content-Length: {n}" for n in told]
        assert (len(rest), last) == (size, end)
    head, _, _ = play(unary(), fault=Fault.LENGTH_AND_CHUNKED)
    assert b"Content-Length" in head
    assert b"Transfer-Encoding" in head


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        (Fault.DROP_MID_STREAM, Drop()),
        (Fault.STALL, Hang()),
        (Fault.END_EARLY, End(keep=True)),
        (Fault.ERROR_IN_STREAM, End(keep=True)),
        (Fault.MALFORMED_CHUNK, Hang()),
    ],
)
@pytest.mark.parametrize("after", [0, 2, 99])
def test_faults_of_mid_stream_strike_after_so_many_chunks(fault: Fault, end: Step, after: int) -> None:
    _, rest, last = play(stream(), Behaviour(after_chunks=after), fault)
    assert rest.count(b'"content":') == min(after, 4)
    assert b'finish_reason":"stop' not in rest
    assert b"[DONE]" not in rest
    assert last == end
    assert rest.endswith(b"0\r\n\r\n") is isinstance(end, End)
    assert (b'"error"' in rest) is (fault is Fault.ERROR_IN_STREAM)


@pytest.mark.parametrize("fault", [Fault.DROP_MID_STREAM, Fault.END_EARLY, Fault.ERROR_IN_STREAM, Fault.STALL])
def test_a_body_that_is_not_streamed_breaks_in_its_middle(fault: Fault) -> None:
    head, rest, last = play(unary(), fault=fault)
    assert f"Content-Length: {unary().size_bytes}".encode() in head
    assert len(rest) == unary().size_bytes // 2
    assert isinstance(last, Hang if fault is Fault.STALL else Drop)


def test_a_stream_without_done_has_all_the_rest_and_a_true_length() -> None:
    head, rest, last = play(stream(), Behaviour(framing=Framing.LENGTH), Fault.NO_DONE)
    assert b"[DONE]" not in rest
    assert b'"usage"' in rest
    assert f"Content-Length: {len(rest)}".encode() in head
    assert last == End(keep=True)


def test_faults_of_the_head() -> None:
    assert list(script(unary(), Behaviour(), Fault.HANG)) == [Stand(None), Hang()]
    assert list(script(unary(), Behaviour(), Fault.DROP_BEFORE_HEAD)) == [Stand(None), Drop()]
    steps = list(script(unary(), Behaviour(), Fault.DROP_MID_HEAD))
    assert isinstance(steps[-2], Send)
    assert b"\r\n\r\n" not in steps[-2].data
    assert steps[-1] == Drop()
    assert play(unary(), fault=Fault.MALFORMED_HEAD)[0].startswith(b"HTP")


def test_what_precedes_and_pads_a_head() -> None:
    interim, rest, _ = play(unary(), Behaviour(interim=(103,), head_bytes=50_000))
    assert interim == b"HTTP/1.1 103 Early Hints"
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(rest) > 50_000


def test_time_is_spent_before_the_first_token_and_between_tokens() -> None:
    behaviour = Behaviour(ttft_s=1.0, token_delay_s=0.5)
    steps = list(script(stream(), behaviour, Fault.NONE))
    assert [step.seconds for step in steps if isinstance(step, Wait)] == [1.0, 0.5, 0.5, 0.5]
    assert steps.index(Wait(1.0)) < next(i for i, step in enumerate(steps) if isinstance(step, Send))
    early = list(script(stream(), Behaviour(ttft_s=1.0, early_head=True), Fault.NONE))
    assert early.index(Wait(1.0)) > next(i for i, step in enumerate(early) if isinstance(step, Send))
    slow = answers.chat(1, {"model": "fake"}, Behaviour(tokens=4))
    assert [step.seconds for step in script(slow, behaviour, Fault.NONE) if isinstance(step, Wait)] == [3.0]


def test_the_gate_may_hold_before_the_head_and_after_every_chunk() -> None:
    steps = list(script(stream(), Behaviour(), Fault.NONE))
    assert [step.place for step in steps if isinstance(step, Stand)] == [None, 0, 1, 2, 3, 4]
    assert [step.count for step in steps if isinstance(step, Chunk)] == [1, 2, 3, 4]
