"""Leases are counted and given back once; the queue is in order, bounded, and leaves nothing behind."""

import asyncio
from typing import Any, cast

import pytest

from remuda.core.ask import Ask, Operation
from remuda.core.faults import QueueFull, UnknownModel, WaitedTooLong
from remuda.fleet.registry import Fleet, Served
from remuda.gateway.exchange import Exchange
from remuda.gateway.route import Lease, QueueLimits, Router
from remuda.testing.clock import FakeClock
from tests.unit.fleet.samples import replica

ASK = Ask(Operation.CHAT, "m", False, False, 1, b"x" * 10)


class FakeExchange:
    """What waiting needs of an exchange."""

    def __init__(self) -> None:
        self.expiry: tuple[float, Any] | None = None
        self.upstream_s = 0.0


class Scene:
    """A router in front of one replica with two slots."""

    def __init__(self, **limits: Any) -> None:
        self.replica = replica(slots=2)
        self.fleet = Fleet()
        self.fleet.apply(Served("one", (self.replica,)))
        self.clock = FakeClock()
        self.router = Router(self.fleet, QueueLimits(**limits), self.clock.monotonic)
        self.model = self.router.find("m")
        self.tasks: list[asyncio.Task[Lease]] = []

    def lease(self) -> Lease:
        lease = self.router.lease(self.model, ())
        assert lease is not None
        return lease

    async def waiter(self, exchange: FakeExchange | None = None) -> "asyncio.Task[Lease]":
        waiting = self.router.wait(self.model, ASK, cast(Exchange, exchange or FakeExchange()))
        task = asyncio.get_running_loop().create_task(waiting)
        self.tasks.append(task)
        await asyncio.sleep(0)
        return task

    @property
    def is_at_rest(self) -> bool:
        return not (self.model.waiting or self.model.waiting_bytes or self.fleet.queued or self.replica.slots.in_use)


async def test_a_lease_is_one_slot_given_back_once():
    scene = Scene()
    with scene.lease() as lease:
        assert scene.replica.slots.in_use == 1
    lease.give_back()
    assert scene.is_at_rest


async def test_a_kept_lease_outlives_its_step():
    scene = Scene()
    with scene.lease() as lease:
        lease.keep()
    assert scene.replica.slots.in_use == 1
    lease.give_back()
    assert scene.is_at_rest


async def test_one_that_was_tried_is_not_leased_again():
    scene = Scene()
    assert scene.router.lease(scene.model, [scene.replica]) is None


async def test_slots_go_to_waiters_in_their_order_and_nobody_overtakes():
    scene = Scene()
    held = [scene.lease(), scene.lease()]
    first, second = await scene.waiter(), await scene.waiter()
    held[0].give_back()
    await asyncio.sleep(0)
    assert (first.done(), second.done()) == (True, False)
    held[1].give_back()
    await asyncio.sleep(0)
    assert second.done()
    first.result().give_back()
    second.result().give_back()
    assert scene.is_at_rest


async def test_a_newcomer_waits_behind_those_who_wait():
    scene = Scene()
    held = [scene.lease(), scene.lease()]
    waiting = await scene.waiter()
    scene.replica.slots.total = 3
    assert scene.router.lease(scene.model, ()) is None
    waiting.cancel()
    await asyncio.wait([waiting])
    for lease in held:
        lease.give_back()
    assert scene.is_at_rest


async def test_who_leaves_leaves_nothing_behind_also_in_the_moment_of_a_grant():
    scene = Scene()
    held = [scene.lease(), scene.lease()]
    leaving, staying = await scene.waiter(), await scene.waiter()
    held[0].give_back()  # granted to the first, who goes before it has seen that
    leaving.cancel()
    await asyncio.wait([leaving])
    assert leaving.cancelled()
    (await staying).give_back()
    held[1].give_back()
    assert scene.is_at_rest


@pytest.mark.parametrize("limits", [{"waiting": 1}, {"waiting_bytes": 15}])
async def test_the_queue_is_bounded(limits: dict[str, int]):
    scene = Scene(**limits)
    held = [scene.lease(), scene.lease()]
    waiting = await scene.waiter()
    with pytest.raises(QueueFull) as refused:
        await scene.router.wait(scene.model, ASK, cast(Exchange, FakeExchange()))
    assert refused.value.retry_after_s is not None
    waiting.cancel()
    await asyncio.wait([waiting])
    for lease in held:
        lease.give_back()
    assert scene.is_at_rest


async def test_the_wait_has_an_end_and_is_not_our_own_doing():
    scene = Scene(wait_s=5.0)
    held = [scene.lease(), scene.lease()]
    exchange = FakeExchange()
    waiting = await scene.waiter(exchange)
    assert exchange.expiry is not None
    ends_at, fault = exchange.expiry
    assert ends_at == scene.clock.monotonic() + 5.0
    assert isinstance(fault(), WaitedTooLong)
    await scene.clock.advance(3.0)
    held[0].give_back()
    (await waiting).give_back()
    assert (exchange.expiry, exchange.upstream_s) == (None, 3.0)
    held[1].give_back()
    assert scene.is_at_rest


async def test_a_model_that_nobody_serves_is_wanted():
    scene = Scene()
    wanted: list[str] = []
    scene.fleet.on_wanted(wanted.append)
    scene.fleet.apply(Served("one", (), offered=("m",)))
    waiting = await scene.waiter()
    assert wanted == ["m"]
    scene.fleet.apply(Served("one", (scene.replica,)))
    (await waiting).give_back()
    assert scene.is_at_rest


def test_an_unknown_name_is_a_fault_that_does_not_repeat_all_of_it():
    with pytest.raises(UnknownModel) as fault:
        Router(Fleet(), QueueLimits(), lambda: 0.0).find("x" * 5000)
    assert len(fault.value.message) < 300
