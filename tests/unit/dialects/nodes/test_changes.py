"""What is sent of a node."""

from typing import Any

import pytest

from remuda.core.faults import InvalidJson, InvalidRequest
from remuda.dialects.nodes.changes import decoded, url_of
from remuda.dialects.nodes.schemas import NodeWrite


@pytest.mark.parametrize(
    ("sent", "url"),
    [
        ({"address": "10.0.0.5", "port": 11434}, "http://10.0.0.5:11434"),
        ({"address": "10.0.0.5:8000", "port": 11434}, "http://10.0.0.5:8000"),
        ({"address": "https://gpu.example/base", "port": 8443}, "https://gpu.example:8443/base"),
        ({"address": "https://gpu.example:8444/base", "port": 8444}, "https://gpu.example:8444/base"),
        ({"address": "[::1]", "port": 80}, "http://[::1]:80"),
        ({"address": "::1", "port": 11434}, "http://[::1]:11434"),
        ({"address": " fd00::5 "}, "http://[fd00::5]"),
        ({"address": "gpu"}, "http://gpu"),
        ({"url": "https://gpu/v1", "address": "other"}, "https://gpu/v1"),
        ({"name": "x"}, None),
    ],
)
def test_where_it_stands(sent: dict[str, Any], url: str | None) -> None:
    assert url_of(NodeWrite(**sent), None) == url


def test_a_port_alone_says_too_little() -> None:
    with pytest.raises(InvalidRequest, match="together"):
        url_of(NodeWrite(port=80), "http://one")


@pytest.mark.parametrize(
    ("body", "parameter"),
    [(b'{"port": "x"}', "port"), (b'{"kind": "printer"}', "kind"), (b'{"weight": 1.5}', "weight"), (b"[]", None)],
)
def test_a_wrong_field_is_named(body: bytes, parameter: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decoded(NodeWrite, body)
    assert caught.value.parameter == parameter


def test_no_json() -> None:
    with pytest.raises(InvalidJson):
        decoded(NodeWrite, b"{")
    assert decoded(NodeWrite, b"") == NodeWrite()
