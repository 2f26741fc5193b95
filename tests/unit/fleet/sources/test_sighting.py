"""What was seen, written down and read."""

from remuda.core.node import NodeKind
from remuda.fleet.health import Health
from remuda.fleet.replica import Told
from remuda.fleet.sources.offers import Offer
from remuda.fleet.sources.questions import Found
from remuda.fleet.sources.sighting import Sighting, read, written


def test_what_is_written_is_read() -> None:
    told = Told(size_bytes=5, digest="d", families=("llama",), capabilities=("tools",), is_running=True)
    for seen in (
        Sighting(
            Health(),
            NodeKind.OLLAMA,
            "",
            0.25,
            Found({"a:latest": Offer(4096, told)}, slots=4, has_messages=True, counts_tokens=True),
        ),
        Sighting(Health(False, 1), None, "it answers 500", None, None),
        Sighting(Health(), NodeKind.OPENAI, "", 0.1, Found(None, " (it answers 404)")),
    ):
        assert read(written(seen)) == seen


def test_what_another_version_has_written_is_passed_over() -> None:
    assert read('{"health": 7}') is None
    assert read("no json") is None
