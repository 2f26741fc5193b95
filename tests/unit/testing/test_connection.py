"""Which requests a fake counts as questions about itself; how it performs its answers, `test_upstream.py` tries."""

import pytest

from remuda.testing.connection import is_probe


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/models", True),
        ("GET", "/v1/models/a", True),
        ("GET", "/api/tags", True),
        ("GET", "/props", True),
        ("POST", "/api/show", True),
        ("POST", "/api/chat", False),
        ("POST", "/v1/chat/completions", False),
        ("GET", "/elsewhere", False),
        ("POST", "/v1/models", False),
    ],
)
def test_probes(method: str, path: str, expected: bool) -> None:
    assert is_probe(method, path) is expected
