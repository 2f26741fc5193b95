"""What nodes are asked to keep, where they cannot; `dialects/ollama/test_keeping.py` has the rest."""

from pathlib import Path

import pytest

from remuda.app.keeping import CAN, Keeping
from remuda.core.faults import LoopDetected
from remuda.testing.upstream import FakeUpstream
from remuda.wire.via import Via
from tests.fixtures.gateway import running_gateway

HEALTH = {"probe_every_s": 0.1, "probe_again_s": 0.1}


async def test_a_node_that_cannot_or_is_away_says_so(tmp_path: Path) -> None:
    async with FakeUpstream() as plain, FakeUpstream(speaks="ollama") as gone:
        upstreams = [{"url": plain.url, "name": "plain"}, {"url": gone.url, "name": "gone"}]
        async with running_gateway(tmp_path, upstreams=upstreams) as gateway:
            nodes = gateway.remuda.nodes
            await gateway.until(lambda: all(each.state == "active" for each in nodes.statuses()), "both are known")
            statuses = nodes.statuses()
            await gone.aclose()
            keeping = Keeping(nodes, max_uploads=1)
            done = await keeping.pull(statuses, "m", is_insecure=False, progress=lambda node, said: None)
            assert [each.is_well for each in done] == [False, False]
            assert done[0].message == "a node of kind openai fetches no models"
            assert "cannot be reached" in done[1].message
            [said] = await keeping.call("DELETE", "/api/delete", b"{}")
            assert (said.node, said.status) == ("gone", 0)
            [outcome] = await keeping.stream("/api/create", {"model": "m"}, lambda node, said: None)
            assert not outcome.is_well


async def test_whoever_has_passed_a_request_on_is_not_asked(tmp_path: Path) -> None:
    async with (
        running_gateway(tmp_path / "far") as far,
        FakeUpstream(speaks="ollama") as near,
        running_gateway(tmp_path / "here", upstreams=[{"url": far.url}, {"url": near.root}], health=HEALTH) as here,
    ):
        nodes = here.remuda.nodes
        await here.until(lambda: {each.kind for each in nodes.statuses()} == CAN, "both are known")
        await here.until(lambda: nodes.statuses()[0].instance, "who the other is is known")
        await here.until(lambda: all(each.state == "active" for each in nodes.statuses()), "both are there")
        keeping = Keeping(nodes, max_uploads=1, pseudonym="remuda-here")
        assert keeping.past(None) is keeping
        others = keeping.past(Via(b"1.1 far", frozenset({far.remuda.pseudonym})))
        [said] = await others.call("DELETE", "/api/delete", b'{"model":"none"}')
        assert said.node == nodes.statuses()[1].name
        with pytest.raises(LoopDetected):
            keeping.past(Via(b"1.1 remuda-here", frozenset({"remuda-here"})))
        await near.aclose()
        await here.until(lambda: nodes.statuses()[1].state == "standby", "the other one is away")
        with pytest.raises(LoopDetected, match="nobody here keeps"):
            keeping.past(Via(b"1.1 far", frozenset({far.remuda.pseudonym})))
