"""Server-sent events (WHATWG HTML, section 9.2), as far as streams of JSON need them."""

import re

# Two line ends in a row, each of which may be CRLF, LF or CR; atomic, or one CRLF would pass for two.
_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE = re.compile(rb"\r\n|\n|\r")

DONE = b"data: [DONE]\n\n"
"""How OpenAI-like streams say that the answer is complete."""


class EventSplitter:
    """Cuts a byte stream into whole events, each with its closing blank line.

    A blank line that ends in "\\r" at the very end of what is known is held back: a "\\n" may still belong to it.
    """

    __slots__ = ("_carry",)

    def __init__(self) -> None:
        self._carry = b""

    @property
    def carry(self) -> bytes:
        """The beginning of an event whose end has not come yet."""
        return self._carry

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes, in order."""
        buffer = self._carry + data if self._carry else data
        events: list[bytes] = []
        start = 0
        for match in _END.finditer(buffer):
            end = match.end()
            if end == len(buffer) and buffer.endswith(b"\r"):
                break
            events.append(buffer[start:end])
            start = end
        self._carry = buffer[start:]
        return events

    def shed(self) -> bytes:
        """Most of a carry that has grown too long to keep; not its last bytes, where its blank line may begin."""
        shed, self._carry = self._carry[:-3], self._carry[-3:]
        return shed

    def rest(self) -> bytes:
        """What is left at the end of the stream: an event without its blank line, or nothing."""
        rest, self._carry = self._carry, b""
        return rest


def data_of(event: bytes) -> bytes:
    """The event's data: its `data:` lines joined by newlines; empty for comments and for events without data."""
    if event.startswith(b"data: ") and event.endswith(b"\n\n") and event.find(b"\n") == len(event) - 2:
        return event[6:-2]
    lines = (line for line in _LINE.split(event) if line.startswith(b"data:"))
    return b"\n".join(line[6:] if line.startswith(b"data: ") else line[5:] for line in lines)


def event_of(data: bytes) -> bytes:
    """One event that carries `data`, which holds no line break."""
    return b"data: " + data + b"\n\n"
