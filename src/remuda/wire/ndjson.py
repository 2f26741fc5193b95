"""Newline-delimited JSON: one value a line, each line closed by a newline (which JSON holds only as an escape)."""

from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


class LineSplitter:
    """Cuts a byte stream into whole lines, without their ends; empty ones, which some servers send to keep a
    connection alive, are left out."""

    __slots__ = ("_carry",)

    def __init__(self) -> None:
        self._carry = b""

    @property
    def carry(self) -> bytes:
        """The beginning of a line whose end has not come yet."""
        return self._carry

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, in order."""
        *lines, self._carry = (self._carry + data if self._carry else data).split(b"\n")
        return [stripped for line in lines if (stripped := line.strip())]

    def rest(self) -> bytes:
        """What is left at the end of the stream: a line without its end, or nothing."""
        rest, self._carry = self._carry, b""
        return rest.strip()


def line_of(value: Any) -> bytes:
    """One line that holds `value`."""
    return _encode(value) + b"\n"
