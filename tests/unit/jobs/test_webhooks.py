"""Deliveries on a real store, to a real receiver."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import web

from remuda.core.clock import SystemClock
from remuda.core.delivery import ClaimedDelivery, DeliveryState
from remuda.core.task import NewTask
from remuda.jobs.webhooks import CONCURRENCY, PER_ORIGIN, WebhookRules, Webhooks, backoff_s
from remuda.outbound.webhooks import Reach, Sender
from remuda.store import Store, open_store, store_url_in
from remuda.store.deliveries import claim_deliveries, deliveries_of
from remuda.store.tasks import cancel_task, submit_tasks
from tests.fixtures.receiver import Receiver


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as one:
        yield one


async def ended(store: Store, url: str, id_: str = "a") -> None:
    now = SystemClock.wall()
    await submit_tasks(store, [NewTask(id_, "k", "tasks", "/p", "m", b"{}", webhook=url)], now)
    await cancel_task(store, id_, now, 60.0)


def body_of(delivery: ClaimedDelivery, now: float) -> bytes:
    return delivery.task.id.encode()


class sending:
    """A sender that is at work."""

    def __init__(self, store: Store, rules: WebhookRules | None = None, key: bytes | None = b"k") -> None:
        def key_of() -> bytes:
            if key is None:
                raise ValueError("the key file is gone")
            return key

        reach = Reach([ip_network("127.0.0.0/8")])
        self.webhooks = Webhooks(
            "s",
            store,
            Sender(reach, timeout_s=5.0, agent="t"),
            body_of,
            key_of,
            SystemClock(),
            lambda: 0.5,
            rules or WebhookRules(backoff_s=0.01),
        )

    async def __aenter__(self) -> Webhooks:
        self.webhooks.start()
        return self.webhooks

    async def __aexit__(self, *ended: object) -> None:
        await self.webhooks.close()


async def state_of(store: Store) -> tuple[DeliveryState, int]:
    [entry] = await deliveries_of(store, "a")
    return entry.state, entry.attempts


async def until_settled(store: Store, webhooks: Webhooks, outcome: str) -> None:
    while not webhooks.counts[outcome]:
        await deliveries_of(store, "a")


async def test_what_was_committed_before_a_crash_is_sent(store: Store, receiver: Receiver):
    await ended(store, receiver.url)  # and nobody was there to send it
    async with sending(store) as webhooks:
        assert (await receiver.got(1)).body == b"a"
        await until_settled(store, webhooks, "delivered")
    assert await state_of(store) == (DeliveryState.DELIVERED, 1)
    assert len(receiver.seen) == 1


async def test_what_a_killed_sender_had_is_sent_again(store: Store, receiver: Receiver):
    await ended(store, receiver.url)
    await claim_deliveries(store, "killed", 1, SystemClock.wall(), lease_s=-1.0)
    async with sending(store) as webhooks:
        await receiver.got(1)
        await until_settled(store, webhooks, "delivered")
    assert await state_of(store) == (DeliveryState.DELIVERED, 2)


async def test_one_that_ends_its_senders_each_time_is_given_up(store: Store, receiver: Receiver):
    await ended(store, receiver.url)
    for _ in range(2):
        await claim_deliveries(store, "killed", 1, SystemClock.wall(), lease_s=-1.0)
    async with sending(store, WebhookRules(max_attempts=2)) as webhooks:
        await until_settled(store, webhooks, "given_up")
    assert (await state_of(store))[0] is DeliveryState.GIVEN_UP
    assert receiver.seen == []


async def test_one_that_fails_is_tried_again(store: Store, receiver: Receiver):
    receiver.answers = [web.Response(status=500)]
    await ended(store, receiver.url)
    async with sending(store) as webhooks:
        await receiver.got(2)
        await until_settled(store, webhooks, "delivered")
        assert webhooks.counts == {"delivered": 1, "failed": 1, "given_up": 0}
    assert await state_of(store) == (DeliveryState.DELIVERED, 2)


async def test_a_receiver_that_hangs_keeps_no_other_from_being_told(store: Store, receiver: Receiver):
    receiver.gate = asyncio.Event()
    for number in range(CONCURRENCY + 1):
        await ended(store, receiver.url, f"slow {number}")
    async with Receiver() as other, sending(store):
        await ended(store, other.url)
        assert (await other.got(1)).body == b"a"
        assert PER_ORIGIN <= len(receiver.seen) < CONCURRENCY


async def test_without_a_key_nothing_is_sent(store: Store, receiver: Receiver):
    await ended(store, receiver.url)
    async with sending(store, WebhookRules(max_attempts=1), key=None) as webhooks:
        await until_settled(store, webhooks, "given_up")
    [entry] = await deliveries_of(store, "a")
    assert entry.error == "it cannot be signed: the key file is gone"
    assert receiver.seen == []


async def test_one_that_is_lost_to_another_counts_for_nothing(store: Store, receiver: Receiver):
    await ended(store, receiver.url)
    [claim] = await claim_deliveries(store, "s", 1, SystemClock.wall(), lease_s=-1.0)
    async with sending(store) as webhooks:
        await until_settled(store, webhooks, "delivered")
        await webhooks._see_through(claim)
        assert webhooks.counts["delivered"] == 1


@pytest.mark.parametrize(
    ("attempt", "chance", "wait_s"),
    [(1, 0.0, 2.5), (1, 1.0, 5.0), (3, 1.0, 20.0), (50, 1.0, 3600.0), (2000, 0.0, 1800.0)],
)
def test_backoff(attempt: int, chance: float, wait_s: float):
    assert backoff_s(WebhookRules(), attempt, chance) == wait_s
