"""Deliveries on a real store, to a real receiver."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from remuda.core.clock import SystemClock
from remuda.core.delivery import ClaimedDelivery, DeliveryState
from remuda.core.task import NewTask
from remuda.jobs.webhooks import Webhooks
from remuda.outbound.courier import CourierRules
from remuda.outbound.webhooks import Reach, Sender
from remuda.store import Store, open_store, store_url_in
from remuda.store.deliveries import deliveries_of
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

    def __init__(self, store: Store, rules: CourierRules | None = None, key: bytes | None = b"k") -> None:
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
            rules or CourierRules(backoff_s=0.01),
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


async def test_without_a_key_nothing_is_sent(store: Store, receiver: Receiver):
    await ended(store, receiver.url)
    async with sending(store, CourierRules(max_attempts=1), key=None) as webhooks:
        await until_settled(store, webhooks, "given_up")
    [entry] = await deliveries_of(store, "a")
    assert entry.error == "it cannot be signed: the key file is gone"
    assert receiver.seen == []
