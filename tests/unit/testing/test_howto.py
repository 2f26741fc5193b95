"""The guide names everything that the fake can be told."""

from pathlib import Path

import pytest

from remuda.testing.behaviour import Behaviour, Fault, Framing, Packing

GUIDE = (Path(__file__).parents[3] / "docs" / "howto" / "fake-upstream.md").read_text()
WORDS = [*Behaviour.__struct_fields__, *(set(Fault) - {Fault.NONE}), *Framing, *Packing]


@pytest.mark.parametrize("word", sorted(WORDS))
def test_the_guide_names_it(word: str) -> None:
    assert f"`{word}`" in GUIDE
