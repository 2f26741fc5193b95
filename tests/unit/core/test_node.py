"""Nodes as values."""

import pytest

from remuda.core.node import Node, NodeKind, is_like_id


def test_kinds_are_written_as_people_write_them() -> None:
    assert [str(kind) for kind in NodeKind] == ["ollama", "llama.cpp", "openai", "remuda"]


def test_a_node_needs_a_name_and_an_address_only() -> None:
    node = Node(id=1, name="one", url="http://one")
    assert (node.kind, node.credential, node.weight, node.is_drained) == (None, "", 1, False)


@pytest.mark.parametrize(
    ("name", "is_like"),
    [("3", True), ("-1", True), ("+7", True), ("٣", True), ("3a", False), ("-", False), ("10.0.0.5:80", False)],
)
def test_which_names_could_be_ids(name: str, is_like: bool) -> None:
    assert is_like_id(name) is is_like
