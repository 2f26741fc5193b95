"""Nodes and queues as they are shown."""

from dataclasses import replace

from remuda.core.node import NodeKind
from remuda.dialects.nodes.views import SHOWN, active_requests_of, queues_of, state_of, view_of
from remuda.fleet.node_status import NodeStatus
from remuda.fleet.registry import Fleet, Served
from remuda.fleet.replica import ReplicaState
from tests.unit.fleet.test_registry import Waiter, replica

NODE = NodeStatus(
    id=1,
    name="one",
    url="http://10.0.0.1:11434",
    kind=NodeKind.OLLAMA,
    state=ReplicaState.ACTIVE,
    reason="",
    latency_s=0.1234567,
    models=("a",),
    slots=4,
    in_use=1,
    weight=1,
    is_drained=False,
    created_at=1_700_000_000.0,
)
AWAY = replace(NODE, id=2, name="two", url="https://b.example", state=ReplicaState.STANDBY, latency_s=None, in_use=3)


def test_the_pool() -> None:
    state = state_of([NODE, AWAY])
    assert (state.active, state.standby) == ([NODE.url], [AWAY.url])
    assert state.latencies == {NODE.url: 0.123457}, "one that does not answer has none: infinity is no JSON"
    assert state.node_id_map == {"1": NODE.url, "2": AWAY.url}


def test_the_busiest_first() -> None:
    told = active_requests_of([NODE, AWAY])
    assert ([each.name for each in told.nodes], told.total_active_requests) == (["two", "one"], 4)


def test_an_address_as_s4_has_it_where_that_says_it_all() -> None:
    assert (view_of(NODE).address, view_of(NODE).port) == ("10.0.0.1", 11434)
    assert (view_of(AWAY).address, view_of(AWAY).port, view_of(AWAY).active) == ("https://b.example", 443, False)
    assert view_of(NODE).created_at == "2023-11-14T22:13:20Z"
    assert view_of(replace(NODE, id=-1, created_at=0.0)).created_at is None


def test_a_long_queue_is_told_in_part() -> None:
    fleet = Fleet()
    fleet.apply(Served("s", (replica("s/m"),)))
    model = fleet.find("m")
    assert model is not None
    for _ in range(SHOWN + 5):
        fleet.enqueue(model, Waiter(), 10, 0.0)
    told = queues_of(fleet, 2.5)
    [queue] = told.queues
    assert (told.total_waiting, queue.waiting, queue.waiting_bytes) == (SHOWN + 5, SHOWN + 5, 10 * (SHOWN + 5))
    assert (len(queue.requests), queue.requests[0].age_s, queue.oldest_wait_s) == (SHOWN, 2.5, 2.5)
