"""Nodes as values."""

from remuda.core.node import Node, NodeKind


def test_kinds_are_written_as_people_write_them() -> None:
    assert [str(kind) for kind in NodeKind] == ["ollama", "llama.cpp", "openai", "remuda"]


def test_a_node_needs_a_name_and_an_address_only() -> None:
    node = Node(id=1, name="one", url="http://one")
    assert (node.kind, node.credential, node.weight, node.is_drained) == (None, "", 1, False)
