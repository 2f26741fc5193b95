"""Nodes and queues as document S4 shows them."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from remuda.core.address import parse_address
from remuda.core.moments import iso_time
from remuda.dialects.nodes.schemas import (
    ActiveRequests,
    AllActiveRequests,
    NodeView,
    PoolState,
    Queues,
    QueueView,
    WaitingRequest,
)
from remuda.fleet.node_status import NodeStatus
from remuda.fleet.registry import Fleet, Model
from remuda.fleet.replica import ReplicaState
from remuda.gateway.waiting import classes, eta_s

SHOWN: Final = 100
"""Waiting requests that are listed of one model."""


def state_of(nodes: Sequence[NodeStatus]) -> PoolState:
    """The pool."""
    return PoolState(
        active=[node.url for node in nodes if node.state is ReplicaState.ACTIVE],
        standby=[node.url for node in nodes if node.state is not ReplicaState.ACTIVE],
        node_id_map={str(node.id): node.url for node in nodes},
        latencies={node.url: round(node.latency_s, 6) for node in nodes if node.latency_s is not None},
        active_counts={node.url: node.in_use for node in nodes},
        models={node.url: list(node.models) for node in nodes},
    )


def active_requests_of(nodes: Sequence[NodeStatus]) -> AllActiveRequests:
    """What each node has to do."""
    busiest_first = sorted(nodes, key=lambda node: -node.in_use)
    return AllActiveRequests([_active(node) for node in busiest_first], sum(node.in_use for node in nodes))


def view_of(node: NodeStatus) -> NodeView:
    """All that is shown of a node."""
    address = parse_address(node.url)
    is_plain = not address.is_tls and not address.base_path.removesuffix("/v1") and address.socket_path is None
    return NodeView(
        id=node.id,
        name=node.name,
        address=address.host if is_plain else node.url,
        port=address.port,
        active=node.state is ReplicaState.ACTIVE,
        created_at=iso_time(node.created_at) if node.created_at else None,
        url=node.url,
        kind=node.kind,
        state=node.state,
        reason=node.reason,
        available_models=list(node.models),
        slots=node.slots,
        active_requests=node.in_use,
        weight=node.weight,
        drain=node.is_drained,
        latency=node.latency_s,
    )


def queues_of(fleet: Fleet, now: float) -> Queues:
    """Who waits for what, at monotonic time `now`."""
    return Queues([_queue(model, now) for model in fleet.waited_for()], fleet.queued)


def _queue(model: Model, now: float) -> QueueView:
    waiters = list(model.waiting.order())
    return QueueView(
        model=model.name,
        waiting=len(waiters),
        waiting_bytes=model.waiting_bytes,
        oldest_wait_s=round(max((now - waiter.entered for waiter in waiters), default=0.0), 3),
        by_priority=classes(model),
        requests=[
            WaitingRequest(
                position=position,
                eta_s=eta_s(model, position),
                age_s=round(now - waiter.entered, 3),
                priority=waiter.priority.word,
                key_id=waiter.key_id,
            )
            for position, waiter in enumerate(islice(waiters, SHOWN), 1)
        ],
    )


def _active(node: NodeStatus) -> ActiveRequests:
    return ActiveRequests(
        id=node.id,
        name=node.name,
        address=node.url,
        active_requests=node.in_use,
        status=node.state,
        latency=node.latency_s,
        models=list(node.models),
    )
