"""The servers elsewhere that are watched: those of the settings, and nodes that come and go while the gateway runs."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from remuda.app.sealing import CredentialError, Sealer, check_credential, reference
from remuda.app.settings import UpstreamSettings
from remuda.app.upstreams import Upstream, UpstreamMaker
from remuda.core.address import parse_address, place_of
from remuda.core.clock import Clock
from remuda.core.node import Node, NodeKind, is_like_id
from remuda.core.tasks import Tasks
from remuda.fleet.node_status import NodeStatus
from remuda.fleet.registry import FleetChange, Gone
from remuda.fleet.replica import ReplicaState, Slots
from remuda.fleet.sources.upstream import UpstreamSource
from remuda.outbound.addresses import given_address
from remuda.outbound.http import OutboundClient
from remuda.store.database import Store
from remuda.store.nodes import NodeTaken, add_node, list_nodes, remove_node, update_node

log = logging.getLogger(__name__)

MAX_NAME: Final = 100
SENDABLE: Final = "NODE_KEY"
"""How variables begin that may be named through a running gateway. Of what else is in its environment, nobody who may
add nodes shall have anything sent to a place of their choice; the command line is the owner's own."""
UNKNOWN_YET: Final = "it has not answered yet"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A server that shall be watched, as the settings would say it."""

    id: int
    upstream: UpstreamSettings
    node: Node | None = None
    trouble: str = ""
    """Why it cannot be watched at all."""

    def is_like(self, other: "Wanted") -> bool:
        """Whether whoever watches the one can go on with the other; whether it is drained makes no difference."""
        return _undrained(self.upstream) == _undrained(other.upstream) and not self.trouble and not other.trouble


@dataclass(frozen=True, slots=True)
class _Watched:
    upstream: Upstream
    task: "asyncio.Task[Any]"


class Nodes:
    """Who is watched, and how they stand. Names tell them apart, in the fleet and everywhere else."""

    def __init__(
        self,
        configured: Sequence[UpstreamSettings],
        *,
        store: Store,
        sealer: Sealer,
        maker: UpstreamMaker,
        announce: Callable[[FleetChange], None],
        clock: Clock,
    ) -> None:
        self._configured = tuple(configured)
        self._store = store
        self._sealer = sealer
        self._maker = maker
        self._announce = announce
        self._clock = clock
        self._stored: list[Node] = []
        self._revision = 0
        self._wanted: dict[str, Wanted] = {}
        self._watched: dict[str, _Watched] = {}
        self._ended: set[OutboundClient] = set()
        """Of nodes that are gone, until their connections are closed."""
        self._passed_over: dict[str, str] = {}
        """Nodes of the store that are not watched, and why: said once."""
        self._tasks = Tasks("nodes")

    # Who is watched

    async def renew(self) -> int:
        """Take in what the store holds; returns the revision it was read at. Raises StoreError."""
        revision, stored = await list_nodes(self._store)
        if revision >= self._revision:  # of two reads at once the older may come last
            self._revision, self._stored = revision, stored
            self._apply()
        return revision

    def configure(self, upstreams: Sequence[UpstreamSettings]) -> None:
        """Take in what the settings say now."""
        self._configured = tuple(upstreams)
        self._apply()

    async def close(self) -> None:
        """Watch nobody any more; what is known of them stays."""
        await self._tasks.close()
        for client in (*(each.upstream.client for each in self._watched.values()), *self._ended):
            await client.close()

    def _apply(self) -> None:
        wanted = self._all_wanted()
        held: dict[str, Slots] = {}  # by place: what runs there goes on, whatever else has changed, and takes up slots
        for name, watched in list(self._watched.items()):
            if name not in wanted or not wanted[name].is_like(self._wanted[name]):
                self._end(name, watched)
                held[place_of(self._wanted[name].upstream.url)] = watched.upstream.source.slots
        before, self._wanted = self._wanted, wanted
        for name, each in wanted.items():
            current = self._watched.get(name)
            if current is None:
                self._begin(name, each, before.get(name), held.pop(place_of(each.upstream.url), None))
            elif each.upstream.drain != before[name].upstream.drain:
                log.info("node %s %s", name, "is drained" if each.upstream.drain else "takes requests again")
                current.upstream.source.drain(each.upstream.drain)

    def _begin(self, name: str, wanted: Wanted, before: Wanted | None, held: Slots | None) -> None:
        if not wanted.trouble:
            try:
                upstream = self._maker.made(wanted.upstream, held=held)
            except OSError as error:  # its certificates cannot be read
                wanted = replace(wanted, trouble=f"its certificates cannot be used ({type(error).__name__})")
                self._wanted[name] = wanted
        if wanted.trouble:
            if before is None or before.trouble != wanted.trouble:
                log.warning("node %s is on standby: %s", name, wanted.trouble)
            return
        upstream.source.begin()
        self._watched[name] = _Watched(upstream, self._tasks.start(upstream.source.run(), name))

    def _end(self, name: str, watched: _Watched) -> None:
        log.info("node %s is no longer asked", name)
        del self._watched[name]
        watched.task.cancel()
        self._announce(Gone(name))
        self._ended.add(watched.upstream.client)
        self._tasks.start(self._put_away(watched.upstream.client), f"close {name}")

    async def _put_away(self, client: OutboundClient) -> None:
        await client.close()
        self._ended.discard(client)

    def _all_wanted(self) -> dict[str, Wanted]:
        wanted = {each.display_name: Wanted(-1 - place, each) for place, each in enumerate(self._configured)}
        places = {place_of(each.url) for each in self._configured}
        passed_over: dict[str, str] = {}
        for node in self._stored:
            try:
                is_taken = node.name in wanted or place_of(node.url) in places
                upstream, trouble = self._as_settings(node)
            except ValueError:  # another version's, or changed by hand; the others are watched all the same
                passed_over[node.name] = "what is kept of it cannot be used: remove it and add it again"
                continue
            if is_taken:
                passed_over[node.name] = "the settings have a server of that name or address"
                continue
            wanted[node.name] = Wanted(node.id, upstream, node, trouble)
        for name, why in passed_over.items():
            if self._passed_over.get(name) != why:
                log.warning("node %s is passed over: %s", name, why)
        self._passed_over = passed_over
        return wanted

    def _as_settings(self, node: Node) -> tuple[UpstreamSettings, str]:
        """A node as the settings would say it, and why its credential cannot be used. Raises ValueError."""
        said = _said(node.url, node.name, node.slots, node.weight) | {"drain": node.is_drained, "kind": node.kind}
        trouble = ""
        try:
            if credential := self._sealer.open(node.credential):
                said["api_key"] = SecretStr(credential)
        except CredentialError as error:
            trouble = f"its credential cannot be used: {error}"
        return UpstreamSettings.model_validate(said), trouble

    # How they stand

    def statuses(self) -> list[NodeStatus]:
        """All nodes, those of the settings first."""
        return [self._status(name, wanted) for name, wanted in self._wanted.items()]

    def sources(self) -> list[UpstreamSource]:
        """Who watches them, where that can be done at all."""
        return [each.upstream.source for each in self._watched.values()]

    def status(self, node_id: int) -> NodeStatus | None:
        """The node with that id."""
        return next((each for each in self.statuses() if each.id == node_id), None)

    async def seen(self, node_id: int, within_s: float) -> NodeStatus | None:
        """How a node stands once it has been asked for the first time, or after so many seconds."""
        node = self.status(node_id)
        watched = self._watched.get(node.name) if node is not None else None
        if watched is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await watched.upstream.source.asked.wait()
        return self.status(node_id)

    def client_of(self, node: NodeStatus) -> tuple[OutboundClient, str] | None:
        """What the node is asked by, and the path that its own API stands below; None while it cannot be asked."""
        watched = self._watched.get(node.name)
        return None if watched is None else (watched.upstream.client, watched.upstream.source.root)

    def _status(self, name: str, wanted: Wanted) -> NodeStatus:
        watched = self._watched.get(name)
        node, upstream = wanted.node, wanted.upstream
        source = watched.upstream.source if watched is not None else None
        state = source.state if source is not None else ReplicaState.STANDBY
        reason = ""
        if state is ReplicaState.STANDBY:
            reason = wanted.trouble or (source.trouble if source is not None else "") or UNKNOWN_YET
        elif source is not None:
            reason = source.held_back
        return NodeStatus(
            id=wanted.id,
            name=name,
            url=node.url if node is not None else parse_address(upstream.url).url,
            kind=source.kind if source is not None else upstream.kind,
            state=state,
            reason=reason,
            latency_s=source.latency_s if source is not None else None,
            models=source.models if source is not None else (),
            slots=source.slots.size if source is not None else upstream.slots,
            in_use=source.slots.in_use if source is not None else 0,
            weight=upstream.weight,
            is_drained=upstream.drain,
            created_at=node.created_at if node is not None else 0.0,
            instance=source.instance if source is not None else "",
        )

    # Changes

    async def add(
        self,
        url: str,
        *,
        name: str | None = None,
        kind: NodeKind | None = None,
        api_key: str = "",
        api_key_env: str = "",
        slots: int | None = None,
        weight: int = 1,
        is_drained: bool = False,
    ) -> Node:
        """Add a node and begin to watch it, whether it answers or not.

        Raises ValueError with a sentence for what cannot be used (AddressRefused among them), NodeTaken, TooManyNodes,
        CredentialError, other StoreErrors.
        """
        node = made_node(
            url, name=name, kind=kind, slots=slots, weight=weight, is_drained=is_drained, now=self._clock.wall()
        )
        node = replace(node, credential=self.kept_credential(api_key, api_key_env))
        self._check_beside_settings(node)
        node = await add_node(self._store, node)
        await self.renew()
        return node

    async def change(self, node_id: int, **changes: Any) -> Node | None:
        """Change fields of a stored node; None where there is none. Raises as `add`.

        A key goes nowhere but to the address that it was given for: with another address it has to be given again.
        """
        await self.renew()  # what is not changed stays as it is now, not as it was when the store was last looked at
        node = next((each for each in self._stored if each.id == node_id), None)
        if node is None:
            return None
        changed = replace(node, **changes)
        changed = replace(
            made_node(
                changed.url,
                name=changed.name,
                kind=changed.kind,
                slots=changed.slots,
                weight=changed.weight,
                is_drained=changed.is_drained,
                now=node.created_at,
                name_before=node.name,
            ),
            id=node_id,
            credential=changed.credential,
        )
        if changed.url != node.url and changed.credential and "credential" not in changes:
            raise ValueError("its key is for the address that it has: give the key again, or an empty one")
        self._check_beside_settings(changed)
        if not await update_node(self._store, changed):
            return None
        await self.renew()
        return changed

    async def remove(self, node_id: int) -> bool:
        """Forget a stored node; False where there is none. What runs there finishes."""
        if not await remove_node(self._store, node_id):
            return False
        await self.renew()
        return True

    def kept_credential(self, api_key: str, api_key_env: str) -> str:
        """What is kept of a key, or of the variable that it stands in, whose name begins as SENDABLE says; raises
        ValueError, CredentialError."""
        if api_key_env and not api_key_env.startswith(SENDABLE):
            raise ValueError(f"variables are named here only where they begin with {SENDABLE}, such as {SENDABLE}_GPU")
        return kept_credential(self._sealer, api_key, api_key_env)

    def _check_beside_settings(self, node: Node) -> None:
        for each in self._configured:
            if each.display_name == node.name or place_of(each.url) == place_of(node.url):
                raise NodeTaken(f"the settings have {each.display_name} at {each.address.url} already")


def made_node(
    url: str,
    *,
    name: str | None,
    kind: NodeKind | None,
    slots: int | None,
    weight: int,
    is_drained: bool,
    now: float,
    name_before: str = "",
) -> Node:
    """A node that can be kept; raises ValueError with a sentence for what cannot be used. `name_before`: the name of
    the node that is changed, which it may keep whatever it is."""
    address = given_address(url)
    plain = address.url.removesuffix("/v1")
    default = UpstreamSettings(url=plain).display_name.removesuffix("/v1")
    name = name if name is not None else default[:MAX_NAME]
    if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name != name.strip() or "/" in name:
        raise ValueError(f"a node's name is 1 to {MAX_NAME} printable characters, without slashes and spaces around")
    if is_like_id(name) and name != name_before:
        raise ValueError(f"a node's name is no number, since ids are: {name!r} could mean the node with that id")
    try:
        UpstreamSettings.model_validate(_said(plain, name, slots, weight))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{first['loc'][0]}: {first['msg']}") from None
    return Node(
        id=0, name=name, url=plain, kind=kind, slots=slots, weight=weight, is_drained=is_drained, created_at=now
    )


def kept_credential(sealer: Sealer, api_key: str, api_key_env: str) -> str:
    """What is kept of a key, or of the variable that it stands in; raises ValueError, CredentialError."""
    if api_key and api_key_env:
        raise ValueError("a key is given, or the variable that it stands in, not both")
    if api_key_env:
        return reference(api_key_env)
    return sealer.seal(check_credential(api_key)) if api_key else ""


def _said(url: str, name: str, slots: int | None, weight: int) -> dict[str, Any]:
    """What the settings would say of a node."""
    said = {"url": url, "name": name, "weight": weight}
    return said if slots is None else said | {"slots": slots}


def _undrained(upstream: UpstreamSettings) -> UpstreamSettings:
    return upstream.model_copy(update={"drain": False})
