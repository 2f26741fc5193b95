"""The steps in which an answer's bytes leave the fake: framing, packing and faults, as values.

What a fault looks like on the wire is decided here and nowhere else; the server only performs the steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import cycle

from remuda.testing import answers
from remuda.testing.answers import Answer, Kind, Part
from remuda.testing.behaviour import Behaviour, Fault, Framing, Packing


@dataclass(frozen=True, slots=True)
class Send:
    """These bytes go out in one write."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """So many content chunks have left by now."""

    count: int


@dataclass(frozen=True, slots=True)
class Wait:
    """The engine thinks."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stand:
    """A place where the gate may hold the answer: None is before the head, a number is after so many chunks."""

    place: int | None


@dataclass(frozen=True, slots=True)
class Hang:
    """Nothing more happens until the client leaves."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection ends here, in the middle of the answer."""


@dataclass(frozen=True, slots=True)
class End:
    """The answer is out; the connection is kept or closed."""

    keep: bool


Step = Send | Chunk | Wait | Stand | Hang | Drop | End

_MIDWAY = {Fault.DROP_MID_STREAM, Fault.STALL, Fault.END_EARLY, Fault.ERROR_IN_STREAM, Fault.MALFORMED_CHUNK}
_TORN_SIZES = (1, 2, 3, 5, 8, 13)
_JOINED_EVENTS = 3
_LIE_BYTES = 10


def script(answer: Answer, behaviour: Behaviour, fault: Fault) -> Iterator[Step]:
    """All steps of one answer, ending with `End`, `Drop` or `Hang`."""
    yield Stand(None)
    if fault in {Fault.HANG, Fault.NEVER_READING}:
        yield Hang()
        return
    if fault is Fault.DROP_BEFORE_HEAD:
        yield Drop()
        return
    framing = _framing(answer, behaviour, fault)
    head = _head(answer, behaviour, fault, framing)
    thinking = Wait(behaviour.ttft_s + (0 if answer.streamed else behaviour.token_delay_s * answer.tokens))
    for status in behaviour.interim:
        yield Send(f"HTTP/1.1 {status} {_reason(status)}\r\n\r\n".encode())
    early = behaviour.early_head and answer.streamed
    if not early:
        yield thinking
    if fault is Fault.MALFORMED_HEAD:
        yield Send(b"HTP/one two-hundred\r\nthis is not a field\r\n\r\n")
        yield Hang()
        return
    if fault is Fault.DROP_MID_HEAD:
        yield Send(head[: len(head) // 2])
        yield Drop()
        return
    yield Send(head)
    yield Stand(0)
    if early:
        yield thinking
    yield from _body(answer, behaviour, fault, framing)


def _body(answer: Answer, behaviour: Behaviour, fault: Fault, framing: Framing) -> Iterator[Step]:
    parts = _halved(answer) if fault in _MIDWAY and not answer.streamed else answer.parts
    contents = sum(part.kind in {Kind.CONTENT, Kind.BODY} for part in parts)
    strike_at = min(behaviour.after_chunks if answer.streamed else 1, contents)
    packer = _Packer(behaviour.packing if answer.streamed else Packing.EACH)
    sent = 0
    for part in parts:
        content = part.kind in {Kind.CONTENT, Kind.BODY}
        if fault in _MIDWAY and sent == strike_at and (content or sent == contents):
            break
        if part.kind is Kind.DONE and fault is Fault.NO_DONE:
            continue
        if content and answer.streamed and sent and behaviour.token_delay_s:
            yield Wait(behaviour.token_delay_s)
        yield from (Send(_framed(piece, framing, behaviour)) for piece in packer.add(part.data))
        if content:
            sent += 1
            yield Chunk(sent)
            yield Stand(sent)
    yield from (Send(_framed(piece, framing, behaviour)) for piece in packer.rest())
    yield from _ending(answer, behaviour, fault, framing)


def _ending(answer: Answer, behaviour: Behaviour, fault: Fault, framing: Framing) -> Iterator[Step]:
    unfinished = framing is Framing.LENGTH and fault in {Fault.END_EARLY, Fault.ERROR_IN_STREAM}
    if fault in {Fault.DROP_MID_STREAM, Fault.LENGTH_TOO_LONG} or unfinished:
        yield Drop()
        return
    if fault is Fault.STALL:
        yield Hang()
        return
    if fault is Fault.MALFORMED_CHUNK:
        yield Send(b"zz; no number\r\n")
        yield Hang()
        return
    if fault is Fault.ERROR_IN_STREAM:
        yield Send(_framed(answer.failure or answers.stream_error(), framing, behaviour))
    if framing is Framing.CHUNKED:
        yield Send(b"0\r\nX-Fake-Trailer: yes\r\n\r\n" if behaviour.trailers else b"0\r\n\r\n")
    yield End(keep=framing in {Framing.CHUNKED, Framing.LENGTH} and not behaviour.close_after)


def _framing(answer: Answer, behaviour: Behaviour, fault: Fault) -> Framing:
    """The framing in use, never AUTO: a lie about length needs a length, a malformed chunk needs chunks."""
    if fault in {Fault.LENGTH_TOO_LONG, Fault.LENGTH_TOO_SHORT, Fault.LENGTH_TWICE}:
        return Framing.LENGTH
    if fault in {Fault.MALFORMED_CHUNK, Fault.LENGTH_AND_CHUNKED}:
        return Framing.CHUNKED
    if behaviour.framing is not Framing.AUTO:
        return behaviour.framing
    return Framing.CHUNKED if answer.streamed else Framing.LENGTH


def _head(answer: Answer, behaviour: Behaviour, fault: Fault, framing: Framing) -> bytes:
    version = "1.0" if framing is Framing.HTTP10 else "1.1"
    lines = [f"HTTP/{version} {answer.status} {_reason(answer.status)}", f"Content-Type: {answer.media_type}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    length = _length(answer, fault)
    if framing is Framing.LENGTH or fault is Fault.LENGTH_AND_CHUNKED:
        lines.append(f"Content-Length: {length}")
    if fault is Fault.LENGTH_TWICE:
        lines.append(f"Content-Length: {length + _LIE_BYTES}")
    if framing is Framing.CHUNKED:
        lines.append("Transfer-Encoding: chunked")
    if framing is Framing.CLOSE:
        lines.append("Connection: close")
    if behaviour.head_bytes:
        lines.append("X-Fake-Padding: " + "x" * behaviour.head_bytes)
    return "\r\n".join([*lines, "", ""]).encode()


def _length(answer: Answer, fault: Fault) -> int:
    without_done = (
        sum(len(part.data) for part in answer.parts if part.kind is Kind.DONE) if fault is Fault.NO_DONE else 0
    )
    lie = {Fault.LENGTH_TOO_LONG: _LIE_BYTES, Fault.LENGTH_TOO_SHORT: -_LIE_BYTES}.get(fault, 0)
    return answer.size_bytes - without_done + lie


def _framed(data: bytes, framing: Framing, behaviour: Behaviour) -> bytes:
    if framing is not Framing.CHUNKED:
        return data
    return b"%x%b\r\n%b\r\n" % (len(data), b";fake=yes" if behaviour.trailers else b"", data)


def _halved(answer: Answer) -> tuple[Part, ...]:
    body = b"".join(part.data for part in answer.parts)
    middle = len(body) // 2
    return Part(body[:middle], Kind.BODY), Part(body[middle:], Kind.BODY)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class _Packer:
    """Cuts a stream's events into the pieces that are written."""

    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self._held = b""
        self._events = 0
        self._sizes = cycle(_TORN_SIZES)
        self._size = next(self._sizes)

    def add(self, data: bytes) -> Iterator[bytes]:
        if self._packing is Packing.EACH:
            yield data
            return
        self._held += data
        self._events += 1
        if self._packing is Packing.JOINED:
            if self._events == _JOINED_EVENTS:
                yield from self.rest()
            return
        while len(self._held) >= self._size:
            piece, self._held = self._held[: self._size], self._held[self._size :]
            self._size = next(self._sizes)
            yield piece

    def rest(self) -> Iterator[bytes]:
        held, self._held, self._events = self._held, b"", 0
        if held:
            yield held
