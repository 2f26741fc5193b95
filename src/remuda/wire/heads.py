"""The heads of messages that have come before, byte for byte, and what was made of them.

A client sends the same head with each request but for the length of its body, and so does a server with each answer of
a second. What a strict parser has made of such a head once, it would make of it again; looking it up takes a fraction
of that. Only whole messages are looked up: one read that holds a head and all of the body that it announces.
"""

from typing import Final, Generic, TypeVar

MAX_HEAD_BYTES: Final = 2 * 1024
"""Longer heads are not kept."""
MAX_HEADS: Final = 256
"""Heads that are kept. With one more all are forgotten: those in use are met again at once."""

_NAME: Final = b"\r\nContent-Length: "
_NAME_IN_LOWER_CASE: Final = b"\r\ncontent-length: "
_NAME_BYTES: Final = len(_NAME)

Made = TypeVar("Made")


class KnownHeads(Generic[Made]):
    """What was made of heads, by their bytes without the digits of `Content-Length`.

    A head that differs from one that was kept in these digits alone means the same but for the length: the place of
    the digits is that of the first line with this name, in both, and a second such line the parser has refused.
    """

    __slots__ = ("_made", "_max_bytes")

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes`: of a body; a message with a longer one is none to look up."""
        self._made: dict[bytes, Made] = {}
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._made)

    def find(self, data: bytes) -> tuple[Made, bytes] | None:
        """What was made of the head of `data`, and the body after it; None where `data` is not such a head and the
        whole of its body, and nothing else."""
        head, end, body = data.partition(b"\r\n\r\n")
        before, name, rest = head.partition(_NAME)
        if not name:
            before, name, rest = head.partition(_NAME_IN_LOWER_CASE)
        digits, _, after = rest.partition(b"\r\n")
        made = self._made.get(before + name + after)
        if made is None or not end or digits != b"%d" % len(body) or len(body) > self._max_bytes:
            return None
        return made, body

    def keep(self, data: bytes, made: Made) -> None:
        """Keep what was made of the head of `data`, which a parser has taken for one whole message."""
        head, end, _ = data.partition(b"\r\n\r\n")
        before, name, rest = head.partition(_NAME)
        if not name:
            before, name, rest = head.partition(_NAME_IN_LOWER_CASE)
        if end and name and len(head) <= MAX_HEAD_BYTES:
            if len(self._made) >= MAX_HEADS:
                self._made.clear()
            self._made[before + name + rest.partition(b"\r\n")[2]] = made
