"""Whose words an error is said in: the dialect that owns the path, or another that the client says it speaks there."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from remuda.core.faults import Fault
from remuda.gateway.face import Refusal

Renderer = Callable[[Fault, str], Refusal]
"""Says a fault, given the request's id."""


class Guest(NamedTuple):
    """A dialect that shares paths with their owner: its clients tell themselves by a header."""

    header: bytes
    """Its name in small letters."""
    prefix: str
    """The paths."""
    renderer: Renderer


class Owners:
    """Renderers by path prefix; the longest prefix wins. A guest comes before all whose paths reach no further."""

    def __init__(
        self, default: Renderer, by_prefix: Mapping[str, Renderer] | None = None, guests: Iterable[Guest] = ()
    ) -> None:
        self._default = default
        entries = [Guest(b"", prefix, renderer) for prefix, renderer in (by_prefix or {}).items()]
        self._entries = sorted((*guests, *entries), key=lambda entry: -len(entry.prefix))

    def refusal(self, path: str, fault: Fault, request_id: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Refusal:
        """The answer that says `fault` to a request for `path`."""
        for header, prefix, renderer in self._entries:
            if (path == prefix or path.startswith(prefix + "/")) and (
                not header or any(name == header for name, _ in headers)
            ):
                return renderer(fault, request_id)
        return self._default(fault, request_id)
