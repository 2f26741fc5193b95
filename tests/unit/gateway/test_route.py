"""Leases and the queue: slots are given back exactly once, and whoever came first is served first."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from remuda.core.ask import Ask, Operation
from remuda.core.decision import Decision
from remuda.core.faults import EngineDown, QueueFull, UnknownModel, UpstreamFailed
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.openai.adapter import OpenAILike
from remuda.fleet.registry import Failed, Fleet, Model, Served
from remuda.fleet.replica import Replica, ReplicaState, Slots
from remuda.gateway.choose import Chooser
from remuda.gateway.exchange import Exchange, Setback
from remuda.gateway.route import Lease, QueueLimits, Router
from remuda.gateway.tried import Tried
from tests.unit.fleet.test_registry import replica

ASK = Ask(Operation.CHAT, "m", False, False, 1, b"{}")


class Waiting:
    """As much of an exchange as the queue needs."""

    def __init__(self) -> None:
        self.upstream_s = 0.0
        self.queue_wait_s = 0.0
        self.model = ""
        self.caller_id = ""
        self.fields: dict[bytes, bytes] = {}
        self.expires_at: Any = None
        self.expiry_fault: Any = None
        self.head_sent = False
        self.is_kept_alive = False
        self.setback: Any = None
        self.id = ""
        self.attempts = 0
        self.replica = ""
        self.decisions: tuple[Decision, ...] = ()
        self.route = cast(Any, SimpleNamespace(face=SimpleNamespace(takes_comments=False)))

    @property
    def has_begun(self) -> bool:
        return self.head_sent and not self.is_kept_alive


def exchange() -> Exchange:
    return cast(Exchange, Waiting())


def fleet_of(*replicas: Replica) -> tuple[Fleet, Model]:
    fleet = Fleet()
    fleet.apply(Served("s", replicas, offered=("m",)))
    model = fleet.find("m")
    assert model is not None
    return fleet, model


USUAL = QueueLimits()


def router_of(fleet: Fleet, limits: QueueLimits = USUAL) -> Router:
    return Router(fleet, limits, lambda: 0.0)


def test_unknown_models() -> None:
    fleet, _ = fleet_of(replica("s/m"))
    with pytest.raises(UnknownModel) as caught:
        router_of(fleet).find(Ask(Operation.CHAT, "x" * 1000, False, False, 1, b"{}"), exchange())
    assert len(caught.value.message) < 300


def test_a_lease_is_given_back_once() -> None:
    one = replica("s/m")
    fleet, model = fleet_of(one)
    router = router_of(fleet)
    lease = router.lease(model, ASK, exchange(), ())
    assert lease is not None
    assert router.lease(model, ASK, exchange(), ()) is None
    with lease:
        assert one.slots.in_use == 1
    assert one.slots.in_use == 0
    lease.give_back()
    assert one.slots.in_use == 0


def test_a_kept_lease_is_given_back_by_whoever_keeps_it() -> None:
    one = replica("s/m")
    fleet, _ = fleet_of(one)
    with Lease(fleet, one) as lease:
        lease.keep()
    assert one.slots.in_use == 1
    lease.give_back()
    assert one.slots.in_use == 0


def test_what_was_tried_is_not_taken_again() -> None:
    one, two = replica("s/1"), replica("s/2")
    fleet, model = fleet_of(one, two)
    lease = router_of(fleet).lease(model, ASK, exchange(), (one,))
    assert lease is not None
    assert lease.replica is two
    assert router_of(fleet).lease(model, ASK, exchange(), (one,)) is None


async def test_who_is_chosen_can_be_settled_elsewhere() -> None:
    replicas = [replica(f"s/{number}") for number in range(3)]
    fleet, model = fleet_of(*replicas)
    chooser = Chooser(lambda candidates, turn, ask, request_id: candidates[-turn % len(candidates)], {})
    router = Router(fleet, USUAL, lambda: 0.0, chooser)
    first, second = (router.lease(model, ASK, exchange(), ()) for _ in range(2))
    assert first is not None
    assert second is not None
    assert [first.replica, second.replica] == [replicas[2], replicas[0]], "of those that are free"
    third = router.lease(model, ASK, exchange(), (replicas[1],))
    assert third is None
    waiting = asyncio.ensure_future(router.wait(model, ASK, exchange(), (replicas[1],)))
    await asyncio.sleep(0)
    first.give_back()
    assert (await waiting).replica is replicas[2]


async def test_first_come_first_served() -> None:
    one = replica("s/m")
    fleet, model = fleet_of(one)
    router = router_of(fleet)
    lease = router.lease(model, ASK, exchange(), ())
    assert lease is not None
    order: list[int] = []

    async def claim(number: int) -> None:
        with await router.wait(model, ASK, exchange()):
            assert one.slots.in_use == 1
            order.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(claim(number))
        await asyncio.sleep(0)
        assert (fleet.queued, len(model.waiting), model.waiting_bytes) == (20, 20, 40)
        assert router.lease(model, ASK, exchange(), ()) is None
        lease.give_back()
    assert order == list(range(20))
    assert (one.slots.in_use, fleet.queued, len(model.waiting), model.waiting_bytes) == (0, 0, 0, 0)


async def test_who_leaves_in_the_moment_of_the_grant_gives_it_back() -> None:
    one = replica("s/m")
    fleet, model = fleet_of(one)
    router = router_of(fleet)
    lease = router.lease(model, ASK, exchange(), ())
    assert lease is not None
    first, second = (asyncio.ensure_future(router.wait(model, ASK, exchange())) for _ in range(2))
    await asyncio.sleep(0)
    lease.give_back()  # granted to the first, whose task has not run yet
    first.cancel()
    granted = await second
    assert first.cancelled()
    assert one.slots.in_use == 1
    granted.give_back()
    assert (one.slots.in_use, fleet.queued) == (0, 0)


async def test_who_leaves_the_queue_leaves_nothing_behind() -> None:
    one = replica("s/m")
    fleet, model = fleet_of(one)
    router = router_of(fleet)
    lease = router.lease(model, ASK, exchange(), ())
    assert lease is not None
    task = asyncio.ensure_future(router.wait(model, ASK, exchange()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (fleet.queued, len(model.waiting), model.waiting_bytes) == (0, 0, 0)
    lease.give_back()
    assert one.slots.in_use == 0


@pytest.mark.parametrize("limits", [QueueLimits(waiting=0), QueueLimits(waiting_bytes=1)])
async def test_a_full_queue_says_when_to_come_again(limits: QueueLimits) -> None:
    fleet, model = fleet_of(replica("s/m"))
    with pytest.raises(QueueFull) as caught:
        await router_of(fleet, limits).wait(model, ASK, exchange())
    assert isinstance(caught.value.retry_after_s, int)
    assert 1 <= caught.value.retry_after_s <= 60


async def test_a_model_that_will_not_come_fails_those_who_wait() -> None:
    fleet, model = fleet_of()
    wanted: list[str] = []
    fleet.on_wanted(wanted.append)
    task = asyncio.ensure_future(router_of(fleet).wait(model, ASK, exchange()))
    await asyncio.sleep(0)
    assert wanted == ["m"]
    fleet.apply(Failed("m", EngineDown()))
    with pytest.raises(EngineDown):
        await task
    assert fleet.queued == 0


async def test_models_on_one_server_share_its_slots() -> None:
    slots = Slots(1)
    fleet = Fleet()
    fleet.apply(Served("s", (replica("s/a", model="a", slots=slots), replica("s/b", model="b", slots=slots))))
    router = router_of(fleet)
    a, b = fleet.find("a"), fleet.find("b")
    assert a is not None
    assert b is not None
    lease = router.lease(a, ASK, exchange(), ())
    assert lease is not None
    assert router.lease(b, ASK, exchange(), ()) is None
    task = asyncio.ensure_future(router.wait(b, ASK, exchange()))
    await asyncio.sleep(0)
    lease.give_back()
    with await task:
        assert slots.in_use == 1
    assert slots.in_use == 0


async def test_a_stream_that_broke_off_is_first_and_goes_to_one_that_fits_alone() -> None:
    one, two = replica("s/m"), replica("t/m")
    fleet, model = fleet_of(one, two)
    router = router_of(fleet)
    leases = [router.lease(model, ASK, exchange(), ()) for _ in range(2)]
    broken = exchange()
    broken.head_sent = True
    other = asyncio.ensure_future(router.wait(model, ASK, exchange()))
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(router.wait(model, ASK, broken, (one,)))
    await asyncio.sleep(0)
    assert next(each.exchange for each in cast(Any, model.waiting.order())) is broken
    of_one, of_two = sorted((lease for lease in leases if lease is not None), key=lambda lease: lease.replica.id)
    two.state = ReplicaState.STANDBY
    of_one.give_back()
    granted = await other  # it was not for the stream, though all that were left had been tried
    assert (granted.replica, waiting.done()) == (one, False)
    two.state = ReplicaState.ACTIVE
    of_two.give_back()
    granted.give_back()
    assert (await waiting).replica is two


async def test_an_alias_of_several_is_served_by_the_first_that_can_be() -> None:
    fleet = Fleet({"smart": ["big", "small"]})
    big, small = replica("s/big", model="big"), replica("s/small", model="small")
    fleet.apply(Served("s", (big, small)))
    alias = fleet.find("smart")
    assert alias is not None
    router = router_of(fleet)
    asked = exchange()
    first = router.lease(alias, ASK, asked, ())
    assert first is not None
    assert (first.replica, asked.model) == (big, "big")
    assert router.lease(alias, ASK, asked, ()) is None, "busy is not away: it was meant first"
    waits = asyncio.ensure_future(router.wait(alias, ASK, asked))
    await asyncio.sleep(0)
    first.give_back()
    second = await waits
    assert second.replica is big
    third = router.lease(alias, ASK, asked, (big,))
    assert third is not None
    assert (third.replica, asked.model) == (small, "small"), "after the first has failed"
    second.give_back()
    third.give_back()
    big.state = ReplicaState.STANDBY
    fourth = router.lease(alias, ASK, asked, ())
    assert fourth is not None
    assert fourth.replica is small


COUNT = Ask(Operation.COUNT_TOKENS, "m", False, False, 1, b"{}")


def test_a_count_takes_no_slot_and_waits_for_nobody() -> None:
    one = replica("s/m")
    fleet, model = fleet_of(one)
    router = router_of(fleet)
    with cast(Lease, router.lease(model, ASK, exchange(), ())):
        visit = router.lease(model, COUNT, exchange(), ())
        assert visit is not None
        with visit:
            assert (visit.replica, visit.is_held, one.slots.in_use) == (one, False, 1)
        visit.give_back()
        assert one.slots.in_use == 1
    assert one.slots.in_use == 0
    assert router.lease(model, COUNT, exchange(), (one,)) is None


def test_a_count_goes_where_tokens_can_be_counted() -> None:
    one, two = replica("s/1"), replica("s/2")
    one.engine, two.engine = LlamaCpp(), OpenAILike()
    for replicas in ((one, two), (two, one)):
        fleet, model = fleet_of(*replicas)
        visit = router_of(fleet).lease(model, COUNT, exchange(), ())
        assert visit is not None
        assert visit.replica is one


def test_a_count_for_an_alias_of_several_is_of_the_first_that_can_be_served() -> None:
    fleet = Fleet({"smart": ("big", "m")})
    fleet.apply(Served("s", (replica("s/m"),), offered=("m",)))
    model = fleet.find("smart")
    assert model is not None
    asking = exchange()
    visit = router_of(fleet).lease(model, COUNT, asking, ())
    assert visit is not None
    assert (visit.replica.id, asking.model) == ("s/m", "m")


async def turns(n: int = 3) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def test_a_slot_that_is_not_for_those_who_wait_goes_to_a_newcomer() -> None:
    one, two = replica("s/m"), replica("t/m")
    fleet, model = fleet_of(one, two)
    router = router_of(fleet)
    of_two = router.lease(model, ASK, exchange(), (one,))
    assert of_two is not None
    waits = asyncio.ensure_future(router.wait(model, ASK, exchange(), (one,)))
    await turns()
    newcomer = exchange()
    assert router.lease(model, ASK, newcomer, ()) is None, "somebody waits"
    granted = await router.wait(model, ASK, newcomer)
    assert (granted.replica, waits.done(), model.grant_s) == (one, False, None)
    granted.give_back()
    of_two.give_back()
    (await waits).give_back()
    assert (one.slots.in_use, two.slots.in_use, fleet.queued) == (0, 0, 0)


async def test_many_whom_one_has_failed_do_not_keep_newcomers_from_it() -> None:
    one, two = replica("s/m"), replica("t/m")
    fleet, model = fleet_of(one, two)
    router = router_of(fleet)
    of_two = router.lease(model, ASK, exchange(), (one,))
    assert of_two is not None
    failed = [asyncio.ensure_future(router.wait(model, ASK, exchange(), Tried((), one))) for _ in range(20)]
    await turns()
    granted = await router.wait(model, ASK, exchange())
    assert granted.replica is one
    granted.give_back()
    of_two.give_back()
    for each in failed:
        lease = await each
        assert lease.replica is two
        lease.give_back()


async def test_one_that_failed_is_not_asked_again_before_it_has_rested() -> None:
    one = replica("s/m")
    fleet, model = fleet_of(one)
    router = router_of(fleet)
    asked = exchange()
    fault = UpstreamFailed("nobody there")
    asked.setback = Setback(fault, 3600.0, 1)
    waits = asyncio.ensure_future(router.wait(model, ASK, asked, (one,)))
    await turns()
    fleet.wake(model)
    await turns()
    assert not waits.done()
    [ticket] = model.waiting.order()
    cast(Any, ticket).rested()
    granted = await waits
    assert granted.replica is one
    granted.give_back()
    asked.setback = Setback(fault, 0.001, 2)
    (await router.wait(model, ASK, asked, (one,))).give_back()  # woken by its own timer
    assert (fleet.queued, model.waiting_bytes) == (0, 0)


async def test_where_all_have_failed_and_none_says_when_a_wake_later_than_the_failure_is_needed() -> None:
    one, two = replica("s/m"), replica("t/m")
    two.state = ReplicaState.STANDBY
    fleet, model = fleet_of(one, two)
    asked = exchange()
    asked.setback = Setback(UpstreamFailed(), None, 0)
    waits = asyncio.ensure_future(router_of(fleet).wait(model, ASK, asked, (one,)))
    await turns()
    assert not waits.done(), "it is not asked again in the same breath"
    fleet.wake(model)
    (await waits).give_back()


async def test_one_that_has_recovered_is_asked_again_where_the_others_are_full() -> None:
    one, two = replica("s/m"), replica("t/m")
    fleet, model = fleet_of(one, two)
    router = router_of(fleet)
    asked = exchange()
    asked.setback = Setback(UpstreamFailed(), None, 0)
    tried = Tried((), one)
    of_two = router.lease(model, ASK, exchange(), (one,))
    assert of_two is not None
    waits = asyncio.ensure_future(router.wait(model, ASK, asked, tried))
    await turns()
    fleet.wake(model)
    await turns()
    assert not waits.done(), "it has failed, and another may be waited for"
    one.slots.recoveries += 1
    fleet.freed(one)
    granted = await waits
    assert granted.replica is one
    granted.give_back()

    waits = asyncio.ensure_future(router.wait(model, ASK, asked, Tried(tried, one)))
    one.slots.recoveries += 1
    await turns()
    fleet.freed(one)
    await turns()
    assert not waits.done(), "it has failed twice"
    of_two.give_back()
    granted = await waits
    assert granted.replica is two
    granted.give_back()


async def test_one_that_has_not_failed_comes_before_one_that_has_recovered() -> None:
    one, two = replica("s/m"), replica("t/m", slots=Slots(4))
    two.slots.in_use = 3
    fleet, model = fleet_of(one, two)
    tried = Tried((), one)
    one.slots.recoveries += 1
    router = router_of(fleet)
    lease = router.lease(model, ASK, exchange(), tried)
    assert lease is not None
    assert lease.replica is two, "though the other one has nothing to do"
    assert router.lease(model, ASK, exchange(), tried) is None
    granted = await router.wait(model, ASK, exchange(), tried)
    assert granted.replica is one


async def test_where_there_is_no_room_to_wait_for_a_return_the_failure_is_told() -> None:
    one = replica("s/m")
    fleet, model = fleet_of(one)
    router = router_of(fleet, QueueLimits(waiting=0))
    asked = exchange()
    fault = UpstreamFailed("nobody there")
    asked.setback = Setback(fault, 1.0, 1)
    with pytest.raises(UpstreamFailed) as caught:
        await router.wait(model, ASK, asked, (one,))
    assert caught.value is fault
    asked.setback = Setback(fault, None, 1)
    with pytest.raises(QueueFull):
        await router.wait(model, ASK, asked, (one,))


async def test_who_waits_in_vain_for_a_return_is_told_why() -> None:
    one = replica("s/m")
    fleet, model = fleet_of(one)
    asked = exchange()
    asked.setback = Setback(UpstreamFailed("nobody there"), 3600.0, 1)
    waits = asyncio.ensure_future(router_of(fleet).wait(model, ASK, asked, (one,)))
    await turns()
    assert asked.expiry_fault is not None
    assert "the last server asked: nobody there" in asked.expiry_fault().message
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits


@pytest.mark.parametrize(
    ("replicas", "busy", "attempts", "kept"),
    [
        (1, 0, 0, []),  # nobody else: nothing is made
        (2, 1, 0, []),  # nobody else is free
        (1, 0, 1, [(1, "only"), (2, "only")]),  # but each attempt is told where there are several
        (2, 0, 0, [(1, "least_active")]),
        (4, 0, 0, [(1, "least_active")]),
        (5, 0, 0, [(1, "idle")]),
        (5, 5, 0, []),
    ],
)
def test_why_is_kept_where_there_was_a_choice(
    replicas: int, busy: int, attempts: int, kept: list[tuple[int, str]]
) -> None:
    herd = [replica(f"s/{number}") for number in range(replicas)]
    for each in herd[:busy]:
        each.slots.in_use = 1
    fleet, model = fleet_of(*herd)
    asking = exchange()
    asking.attempts = attempts
    router_of(fleet).lease(model, ASK, asking, ())
    assert [(each.attempt, each.by) for each in asking.decisions] == kept


def test_which_model_of_a_chain_is_kept() -> None:
    fleet = Fleet({"smart": ["big", "small"]})
    fleet.apply(Served("s", (replica("s/small", model="small"),)))
    smart = fleet.find("smart")
    assert smart is not None
    asking = exchange()
    assert router_of(fleet).lease(smart, ASK, asking, ()) is not None
    [decision] = asking.decisions
    assert (decision.model, decision.passed_over, decision.of) == (
        "small",
        (("big", "not served"),),
        (("s/small", 0, 1),),
    )


def test_who_counts_tokens_is_kept_where_there_was_a_choice() -> None:
    ask = Ask(Operation.COUNT_TOKENS, "m", False, False, 1, b"{}")
    one, two = replica("s/1"), replica("s/2")
    for herd, kept in (((one,), []), ((one, two), ["counting"])):
        fleet, model = fleet_of(*herd)
        asking = exchange()
        assert router_of(fleet).lease(model, ask, asking, ()) is not None
        assert [each.by for each in asking.decisions] == kept
