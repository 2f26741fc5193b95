"""See `tests/acceptance/test_proxy_api.py`; here is what needs no gateway."""

import json
from collections.abc import Sequence

from remuda.dialects.nodes.herd import Progress, Pulled
from remuda.dialects.nodes.pulling import MAX_LINES_HELD, _streamed
from remuda.dialects.nodes.schemas import PullAsk
from remuda.fleet.node_status import NodeStatus
from tests.unit.dialects.nodes.test_views import NODE


class Chatty:
    """Says far more than anybody reads."""

    async def pull(
        self, nodes: Sequence[NodeStatus], model: str, *, is_insecure: bool, progress: Progress
    ) -> Sequence[Pulled]:
        for number in range(3 * MAX_LINES_HELD):
            progress(nodes[0], {"status": str(number)})
        return [Pulled(nodes[0], True, "success")]


async def test_a_client_that_reads_slowly_costs_so_many_lines_and_hears_the_end() -> None:
    lines = [json.loads(line) async for line in _streamed(Chatty(), [NODE], PullAsk(model="m"))]
    assert len(lines) == MAX_LINES_HELD
    assert lines[0] == {"node_id": 1, "node_name": "one", "progress": {"status": "0"}}
    assert lines[-1]["results"][0]["status"] == "success"
