"""Forms with files as they are posted (`multipart/form-data`: RFC 7578 over RFC 2046, section 5.1).

Any split of the bytes, same events out: what has come of a part's content is handed on at once, so that a file of any
size passes through a few kilobytes.
"""

import re
from typing import Final, NamedTuple

MAX_HEAD_BYTES: Final = 8192
"""Of one part's header."""
MAX_PARTS: Final = 32
MAX_NAME_CHARS: Final = 255

_BOUNDARY: Final = re.compile(rb';[ \t]*boundary=(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))[ \t]*(?:;|$)', re.IGNORECASE)
_PARAMETER: Final = re.compile(rb';[ \t]*(name|filename)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))', re.IGNORECASE)
_ESCAPED: Final = re.compile(rb'\\(["\\])')


class MultipartError(ValueError):
    """The bytes are not such a form."""


class Part(NamedTuple):
    """A part begins; its content follows as bytes."""

    name: str
    filename: str | None
    """What the client calls the file; None where it is an ordinary field."""


class PartEnd(NamedTuple):
    """The part that began last is over."""


def boundary_of(content_type: bytes) -> bytes | None:
    """The boundary that a `Content-Type` names; None where it is not that of a form with files."""
    if content_type.partition(b";")[0].strip().lower() != b"multipart/form-data":
        return None
    found = _BOUNDARY.search(content_type)
    return None if found is None else found[1] or found[2]


class MultipartSplitter:
    """Takes a form apart."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter stands at the beginning of a line too.
        self._rest = bytearray(b"\r\n")
        self._is_in_head = False
        self._is_in_part = False
        self._is_fresh = False
        """The header's last line break still stands before the content."""
        self._parts = 0
        self.is_over = False
        """Whether the end of the form has come; what follows it does not count."""

    def feed(self, data: bytes) -> list[Part | bytes | PartEnd]:
        """What has come with `data`; raises MultipartError."""
        events: list[Part | bytes | PartEnd] = []
        self._rest += data
        while not self.is_over and (self._head(events) if self._is_in_head else self._content(events)):
            pass
        if self.is_over:
            self._rest.clear()
        return events

    def _head(self, events: list[Part | bytes | PartEnd]) -> bool:
        """Whether a part's header has come."""
        end = self._rest.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES + 4)
        if end < 0:
            if len(self._rest) > MAX_HEAD_BYTES:
                raise MultipartError("a part's header is too long")
            return False
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise MultipartError(f"a form has at most {MAX_PARTS} parts here")
        events.append(_part_in(bytes(self._rest[:end])))
        # The header's last line break may be the first of a delimiter, where there is no content.
        del self._rest[: end + 2]
        self._is_in_head, self._is_in_part = False, True
        self._is_fresh = True
        return True

    def _content(self, events: list[Part | bytes | PartEnd]) -> bool:
        """Whether the delimiter after the content has come."""
        rest, delimiter = self._rest, self._delimiter
        found = rest.find(delimiter)
        after = bytes(rest[found + len(delimiter) : found + len(delimiter) + 2]) if found >= 0 else b""
        if found >= 0 and len(after) < 2:
            self._hand_on(events, found)
            return False
        if found < 0:
            self._hand_on(events, len(rest) - len(delimiter) + 1)
            return False
        if after not in (b"--", b"\r\n"):
            raise MultipartError("what follows a boundary is neither a line break nor the end")
        self._hand_on(events, found)
        del rest[: len(delimiter) + 2]
        if self._is_in_part:
            events.append(PartEnd())
        self._is_in_head, self._is_in_part = after == b"\r\n", False
        self.is_over = after == b"--"
        return True

    def _hand_on(self, events: list[Part | bytes | PartEnd], end: int) -> None:
        """Hand on the content up to `end`, as far as it is one."""
        if end <= 0 or (self._is_fresh and end < 2):
            return
        data = bytes(self._rest[:end])
        del self._rest[:end]
        if self._is_in_part:
            if self._is_fresh:
                data = data[2:]
                self._is_fresh = False
            if data:
                events.append(data)


def _part_in(head: bytes) -> Part:
    for line in head.split(b"\r\n"):
        field, _, value = line.partition(b":")
        if field.strip().lower() != b"content-disposition":
            continue
        said = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(value)}
        if b"name" not in said or value.partition(b";")[0].strip().lower() != b"form-data":
            break
        filename = said.get(b"filename")
        return Part(_text(said[b"name"]), None if filename is None else _text(filename))
    raise MultipartError("a part's header does not name the part")


def _text(value: bytes) -> str:
    plain = _ESCAPED.sub(rb"\1", value).replace(b"%22", b'"')
    return plain.decode("utf-8", "replace")[:MAX_NAME_CHARS]
