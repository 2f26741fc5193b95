"""What nodes are asked to keep, where they cannot; `dialects/ollama/test_keeping.py` has the rest."""

from pathlib import Path

from remuda.app.keeping import Keeping
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import running_gateway


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
