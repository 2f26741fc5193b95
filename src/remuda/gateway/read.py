"""Step: read the ask out of the request's body, decompressed within a bound."""

import zlib
from typing import Final

from remuda.core.ask import Ask
from remuda.core.faults import BodyTooLarge, InvalidRequest, NotOffered, UnsupportedMedia
from remuda.gateway.exchange import Exchange
from remuda.gateway.face import node_named

_WINDOW: Final = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
MEMBERS: Final = 16
"""Parts that a compressed body may consist of; one is usual, and each costs a copy of all that follows it."""
_JSON_TYPES: Final = (b"application/json", b"text/json", b"application/octet-stream", b"text/plain")


def read_ask(exchange: Exchange, max_decompressed_bytes: int) -> Ask:
    """The ask; raises UnsupportedMedia, BodyTooLarge, InvalidRequest."""
    body = exchange.body
    if isinstance(body, bytearray):
        body = bytes(body)
    exchange.body = b""
    fields, route = exchange.fields, exchange.route
    content_type = fields.get(b"content-type")
    if content_type and content_type != b"application/json":
        _check_type(content_type)
    encoding = fields.get(b"content-encoding")
    if encoding is not None and (encoding := encoding.strip().lower()) not in (b"", b"identity"):
        body = decompress(body, encoding, max_decompressed_bytes)
    if route.operation is None:
        raise NotOffered
    if route.names_node:
        raise node_named()
    ask = route.face.read(route.operation, body)
    exchange.told = ask.told
    return ask


def _check_type(content_type: bytes) -> None:
    """Clients that forget to say JSON mean it; those that say something else do not."""
    kind = content_type.partition(b";")[0].strip().lower()
    if kind in _JSON_TYPES or kind.endswith(b"+json") or kind == b"application/x-www-form-urlencoded":
        return  # curl -d says form; its body is still what the user typed, and is checked as JSON
    raise UnsupportedMedia(f"this takes application/json, not {kind.decode('latin-1')[:100]!r}")


def decompress(body: bytes, encoding: bytes, limit: int) -> bytes:
    """`body` decompressed, at most `limit` bytes: beyond that it is refused before it is held."""
    window = _WINDOW.get(encoding)
    if window is None:
        raise UnsupportedMedia(f"the content encoding {encoding.decode('latin-1')[:50]!r} is not understood here")
    out: list[bytes] = []
    left = limit + 1
    members = 0
    rest = body
    try:
        while rest and left > 0:  # gzip may hold several members, one after the other
            members += 1
            if members > MEMBERS:
                raise InvalidRequest(f"the compressed request body consists of more than {MEMBERS} parts")
            inflater = zlib.decompressobj(window)
            piece = inflater.decompress(rest, left)
            out.append(piece)
            left -= len(piece)
            if not inflater.eof and left > 0:
                raise InvalidRequest("the compressed request body ends too early")
            rest = inflater.unused_data
    except zlib.error as error:
        raise InvalidRequest("the request body is not what its Content-Encoding says") from error
    if left <= 0:
        raise BodyTooLarge(f"the request body is larger than {limit} bytes when decompressed")
    return b"".join(out)
