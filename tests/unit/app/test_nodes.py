"""Nodes as they come, change and go, over a real store and real servers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from remuda.app.nodes import UNKNOWN_YET, Nodes, made_node
from remuda.app.sealing import Sealer
from remuda.app.settings import HealthSettings, UpstreamSettings
from remuda.app.upstreams import UpstreamMaker
from remuda.core.clock import SystemClock
from remuda.core.node import NodeKind
from remuda.fleet.registry import Fleet, FleetChange
from remuda.fleet.replica import ReplicaState
from remuda.store import Store, open_store, store_url_in
from remuda.store.nodes import NodeTaken, list_nodes, update_node
from remuda.testing.gate import Signal
from remuda.testing.upstream import FakeUpstream


class Herd:
    """Nodes and the fleet that they announce themselves to."""

    def __init__(self, store: Store, folder: Path, configured: tuple[UpstreamSettings, ...] = ()) -> None:
        self.fleet = Fleet()
        self.signal = Signal()
        clock = SystemClock()
        self.store = store
        self.nodes = Nodes(
            configured,
            store=store,
            sealer=Sealer(folder, environ={"NODE_KEY": "sk-env"}),
            maker=UpstreamMaker(
                HealthSettings(probe_every_s=0.1, probe_again_s=0.1, successes_to_active=1),
                clock,
                self.announce,
                lambda slots, name: None,
            ),
            announce=self.announce,
            clock=clock,
        )

    def announce(self, change: FleetChange) -> None:
        self.fleet.apply(change)
        self.signal.changed()

    async def serves(self, *replicas: str) -> None:
        """Wait until these replicas, and no others, are routable."""

        def routable() -> set[str]:
            return {each.id for each in self.fleet.replicas() if each.is_routable}

        await self.signal.until(
            lambda: routable() == set(replicas), lambda: f"{replicas}, there are {routable()}", 10.0
        )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(store_url_in(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
async def herd(store: Store, tmp_path: Path) -> AsyncIterator[Herd]:
    held = Herd(store, tmp_path)
    yield held
    await held.nodes.close()


async def test_a_node_that_is_added_serves_and_one_that_is_removed_does_not(herd: Herd) -> None:
    async with FakeUpstream() as one, FakeUpstream() as two:
        first = await herd.nodes.add(one.url, name="one")
        await herd.nodes.add(two.url, name="two", weight=3, slots=5)
        await herd.serves("one/fake", "two/fake")
        assert await herd.nodes.remove(first.id)
        await herd.serves("two/fake")
        assert not await herd.nodes.remove(first.id)
        [status] = herd.nodes.statuses()
        assert (status.name, status.state, status.models) == ("two", ReplicaState.ACTIVE, ("fake",))
        assert (status.slots, status.weight, status.reason) == (5, 3, "")
        assert status.latency_s is not None


async def test_what_another_process_changes_is_taken_in(herd: Herd, store: Store, tmp_path: Path) -> None:
    other = Herd(store, tmp_path)
    async with FakeUpstream() as one:
        node = await other.nodes.add(one.url, name="one")
        await herd.nodes.renew()
        await herd.serves("one/fake")
        await other.nodes.change(node.id, is_drained=True)
        assert await herd.nodes.renew() == await store.revision()
        await herd.serves()
        [status] = herd.nodes.statuses()
        assert (status.state, status.is_drained) == (ReplicaState.DRAINING, True)
        await other.nodes.close()


async def test_draining_keeps_who_is_watched_and_its_slots(herd: Herd) -> None:
    async with FakeUpstream() as one:
        node = await herd.nodes.add(one.url, name="one")
        await herd.serves("one/fake")
        [replica] = herd.fleet.replicas()
        replica.slots.in_use += 1
        await herd.nodes.change(node.id, is_drained=True)
        await herd.nodes.change(node.id, is_drained=False)
        await herd.serves("one/fake")
        assert [each.slots for each in herd.fleet.replicas()] == [replica.slots]


async def test_a_node_that_changes_at_its_address_is_still_as_busy_as_it_is(herd: Herd) -> None:
    async with FakeUpstream() as one, FakeUpstream() as two:
        node = await herd.nodes.add(one.url, name="one", slots=2)
        await herd.serves("one/fake")
        [replica] = herd.fleet.replicas()
        replica.slots.in_use += 2
        await herd.nodes.change(node.id, weight=3)
        await herd.serves("one/fake")
        [again] = herd.fleet.replicas()
        assert (again.weight, again.slots.free) == (3, 0)
        await herd.nodes.change(node.id, name="renamed", slots=5)
        await herd.serves("renamed/fake")
        [again] = herd.fleet.replicas()
        assert (again.slots.size, again.slots.free) == (5, 3)
        replica.slots.in_use -= 2  # what had begun before has ended
        assert again.slots.free == 5
        await herd.nodes.change(node.id, url=two.url)
        await herd.serves("renamed/fake")
        assert [each.slots is again.slots for each in herd.fleet.replicas()] == [False]


async def test_a_changed_address_is_another_server(herd: Herd) -> None:
    async with FakeUpstream() as one, FakeUpstream(models=("other",)) as two:
        node = await herd.nodes.add(one.url, name="one")
        await herd.serves("one/fake")
        await herd.nodes.change(node.id, url=two.url)
        await herd.serves("one/other")


async def test_keys_are_sent_and_never_kept_in_clear(herd: Herd, store: Store) -> None:
    async with FakeUpstream(api_key="sk-node") as one, FakeUpstream(api_key="sk-env") as two:
        await herd.nodes.add(one.url, name="one", api_key="sk-node")
        await herd.nodes.add(two.url, name="two", api_key_env="NODE_KEY")
        await herd.serves("one/fake", "two/fake")
    assert "sk-node" not in repr((await list_nodes(store))[1])
    assert "sk-node" not in repr(herd.nodes.statuses())


async def test_a_key_that_cannot_be_opened_leaves_the_node_on_standby_with_the_reason(
    herd: Herd, store: Store, tmp_path: Path
) -> None:
    async with FakeUpstream(api_key="sk-node") as one:
        await herd.nodes.add(one.url, name="one", api_key="sk-node")
        (tmp_path / "node.key").unlink()
        other = Herd(store, tmp_path)
        await other.nodes.renew()
        [status] = other.nodes.statuses()
        assert status.state is ReplicaState.STANDBY
        assert status.reason.startswith("its credential cannot be used: the key file")
        await other.nodes.close()


async def test_a_key_goes_only_to_the_address_that_it_was_given_for(herd: Herd) -> None:
    async with FakeUpstream(api_key="sk-node") as one, FakeUpstream(api_key="sk-node") as two:
        node = await herd.nodes.add(one.url, name="one", api_key="sk-node")
        await herd.serves("one/fake")
        with pytest.raises(ValueError, match="give the key again"):
            await herd.nodes.change(node.id, url=two.url)
        assert (await herd.nodes.change(node.id, url=one.url, weight=2)) is not None
        await herd.serves("one/fake")
        assert two.connections == 0
        await herd.nodes.change(node.id, url=two.url, credential=herd.nodes.kept_credential("sk-node", ""))
        await herd.serves("one/fake")
        await herd.nodes.change(node.id, url=one.url, credential="")
        status = await herd.nodes.seen(node.id, 10.0)
        assert status is not None
        assert status.reason == "it answers 401"
        await herd.nodes.close()


@pytest.mark.parametrize("name", ["DATABASE_URL", "REMUDA_AUTH__SECRET_KEY", "MY_NODE_KEY", "node_key"])
async def test_of_the_gateways_variables_only_those_that_are_meant_to_be_sent_are(herd: Herd, name: str) -> None:
    with pytest.raises(ValueError, match="begin with NODE_KEY"):
        await herd.nodes.add("http://10.0.0.5", api_key_env=name)
    assert herd.nodes.statuses() == []
    assert herd.nodes.kept_credential("", "NODE_KEY_GPU") == "env:NODE_KEY_GPU"


async def test_what_is_kept_of_one_node_and_cannot_be_used_stops_no_other(
    herd: Herd, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeUpstream() as one:
        node = await herd.nodes.add("http://127.0.0.1:9", name="odd")
        await update_node(store, replace(node, url="nonsense", credential="sealed:9:x"))
        await herd.nodes.add(one.url, name="one")
        await herd.serves("one/fake")
        await herd.nodes.renew()
        assert [status.name for status in herd.nodes.statuses()] == ["one"]
        assert caplog.text.count("node odd is passed over") == 1


async def test_a_stored_address_at_which_nothing_is_called_is_not_called(herd: Herd, store: Store) -> None:
    async with FakeUpstream() as one:
        node = await herd.nodes.add("http://127.0.0.1:9", name="one")
        await update_node(store, replace(node, url=f"http://0.0.0.0:{one.port}"))  # unchecked, it leads to that server
        await herd.nodes.renew()
        status = await herd.nodes.seen(node.id, 10.0)
        assert status is not None
        assert "nothing is called there" in status.reason
        assert one.connections == 0


async def test_why_a_node_cannot_be_watched_is_logged_once(
    herd: Herd, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    node = await herd.nodes.add("http://127.0.0.1:9", name="one")
    await update_node(store, replace(node, credential="sealed:9:x"))
    for _ in range(3):
        await herd.nodes.renew()
    assert caplog.text.count("node one is on standby") == 1


class LateStore:
    """A store whose first read comes back only when it is let."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_first = True
        self.has_read = asyncio.Event()
        self.may_return = asyncio.Event()

    async def read(self, work: Callable[[Any], Any]) -> Any:
        is_first, self._is_first = self._is_first, False
        found = await self._store.read(work)
        if is_first:
            self.has_read.set()
            await self.may_return.wait()
        return found


async def test_what_was_read_before_and_comes_late_replaces_nothing_newer(store: Store, tmp_path: Path) -> None:
    late, other = LateStore(store), Herd(store, tmp_path)
    herd = Herd(cast(Store, late), tmp_path)
    reading = asyncio.ensure_future(herd.nodes.renew())
    await late.has_read.wait()
    await other.nodes.add("http://127.0.0.1:9", name="one", is_drained=True)
    await herd.nodes.renew()
    late.may_return.set()
    assert await reading < await store.revision()
    assert [status.name for status in herd.nodes.statuses()] == ["one"]
    await herd.nodes.close()
    await other.nodes.close()


async def test_a_change_keeps_what_another_process_has_just_changed(herd: Herd, store: Store, tmp_path: Path) -> None:
    other = Herd(store, tmp_path)
    node = await herd.nodes.add("http://127.0.0.1:9", name="one")
    await other.nodes.renew()
    await other.nodes.change(node.id, is_drained=True)
    await herd.nodes.change(node.id, weight=3)
    [kept] = (await list_nodes(store))[1]
    assert (kept.is_drained, kept.weight) == (True, 3)
    await other.nodes.close()


async def test_a_node_that_does_not_answer_is_kept_on_standby_with_the_reason(herd: Herd) -> None:
    async with FakeUpstream() as gone:
        url = gone.url
    await herd.nodes.add(url, name="gone", kind=NodeKind.OPENAI)
    assert herd.nodes.statuses()[0].reason in {UNKNOWN_YET, "it cannot be reached (ClientConnectorError)"}
    await herd.signal.until(
        lambda: "reached" in herd.nodes.statuses()[0].reason, lambda: herd.nodes.statuses()[0].reason, 10.0
    )
    assert herd.nodes.statuses()[0].state is ReplicaState.STANDBY


async def test_settings_and_store_share_names_and_addresses(store: Store, tmp_path: Path) -> None:
    async with FakeUpstream() as one, FakeUpstream() as two:
        herd = Herd(store, tmp_path, (UpstreamSettings(url=one.url, name="one"),))
        await herd.nodes.renew()
        await herd.serves("one/fake")
        with pytest.raises(NodeTaken):
            await herd.nodes.add(two.url, name="one")
        with pytest.raises(NodeTaken):
            await herd.nodes.add(one.url.removesuffix("/v1"), name="two")
        await herd.nodes.add(two.url, name="two")
        await herd.serves("one/fake", "two/fake")
        assert [status.id for status in herd.nodes.statuses()] == [-1, 1]
        assert herd.nodes.status(1) == herd.nodes.statuses()[1]
        assert herd.nodes.status(5) is None
        # The settings come first, also where they say so only later.
        herd.nodes.configure((UpstreamSettings(url=two.url, name="fixed"),))
        await herd.serves("fixed/fake")
        herd.nodes.configure(())
        await herd.serves("two/fake")
        await herd.nodes.close()


async def test_a_node_of_the_settings_cannot_be_changed_here(store: Store, tmp_path: Path) -> None:
    herd = Herd(store, tmp_path, (UpstreamSettings(url="http://127.0.0.1:9", name="one"),))
    await herd.nodes.renew()
    assert await herd.nodes.change(-1, is_drained=True) is None
    assert not await herd.nodes.remove(-1)
    await herd.nodes.close()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://10.0.0.5:8000", None),
        ("http://10.0.0.5:8000/", None),
        ("http://10.0.0.5:8000/v1", None),
        ("HTTP://10.0.0.5:8000/v1/", None),
    ],
)
def test_an_address_is_written_in_one_way(url: str, name: str | None) -> None:
    node = made_node(url, name=name, kind=None, slots=None, weight=1, is_drained=False, now=1.0)
    assert (node.url, node.name) == ("http://10.0.0.5:8000", "10.0.0.5:8000")


@pytest.mark.parametrize("name", ["3", "-1", "+7"])
async def test_a_node_is_not_called_like_an_id_but_one_that_is_may_keep_its_name(
    herd: Herd, store: Store, name: str
) -> None:
    with pytest.raises(ValueError, match="no number, since ids are"):
        await herd.nodes.add("http://127.0.0.1:9", name=name)
    node = await herd.nodes.add("http://127.0.0.1:9", name="one")
    with pytest.raises(ValueError, match="no number, since ids are"):
        await herd.nodes.change(node.id, name=name)
    await update_node(store, replace(node, name=name))
    changed = await herd.nodes.change(node.id, is_drained=True)
    assert changed is not None
    assert (changed.name, changed.is_drained) == (name, True)
