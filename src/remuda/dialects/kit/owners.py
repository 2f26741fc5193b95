"""Whose words an error is said in: the dialect that owns the path."""

from collections.abc import Callable, Mapping

from remuda.core.faults import Fault
from remuda.gateway.face import Refusal

Renderer = Callable[[Fault, str], Refusal]
"""Says a fault, given the request's id."""


class Owners:
    """Renderers by path prefix; the longest prefix wins."""

    def __init__(self, default: Renderer, by_prefix: Mapping[str, Renderer] | None = None) -> None:
        self._default = default
        self._by_prefix = sorted((by_prefix or {}).items(), key=lambda entry: -len(entry[0]))

    def refusal(self, path: str, fault: Fault, request_id: str) -> Refusal:
        """The answer that says `fault` to a request for `path`."""
        for prefix, renderer in self._by_prefix:
            if path == prefix or path.startswith(prefix + "/"):
                return renderer(fault, request_id)
        return self._default(fault, request_id)
