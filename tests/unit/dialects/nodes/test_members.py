"""See `tests/acceptance/test_proxy_api.py`; here is what needs no gateway."""

import pytest

from remuda.core.faults import InvalidRequest, UnknownNode
from remuda.dialects.nodes.herd import EMPTY
from remuda.dialects.nodes.members import node_of


@pytest.mark.parametrize("asked", ["one", "1.5", "", "1" * 30 + "x"])
def test_what_is_no_id(asked: str) -> None:
    with pytest.raises((InvalidRequest, UnknownNode)):
        node_of(EMPTY, asked)


def test_an_id_that_nobody_has() -> None:
    with pytest.raises(UnknownNode):
        node_of(EMPTY, "-1")
