"""What nodes keep: has them fetch, copy, make and delete models by Ollama's own API, those that have it."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from copy import copy
from typing import Any, Final

import msgspec

from remuda.app.nodes import Nodes
from remuda.core.faults import LoopDetected, Unavailable
from remuda.core.node import NodeKind
from remuda.core.tasks import Tasks
from remuda.dialects.nodes.herd import Progress, Pulled
from remuda.dialects.ollama.keepers import LACKS_IT, PUSH, Outcome, Said
from remuda.fleet.node_status import NodeStatus
from remuda.fleet.replica import ReplicaState
from remuda.outbound.http import NO_HEADERS, OutboundClient, OutboundError
from remuda.outbound.spread import Taker, spread
from remuda.wire.via import Via, with_hop

AT_ONCE: Final = 5
"""Nodes that work on it at the same time: they share a line to the outside."""
SILENCE_S: Final = 300.0
"""How long a node may say nothing while it does."""
BUSY_RETRY_S: Final = 10
"""When to come back where too many files are on their way: most are large."""
CAN: Final = frozenset({NodeKind.OLLAMA, NodeKind.REMUDA})

Ask = Callable[[OutboundClient, str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]
"""Asks a node by its client, below that path and with these headers."""


class Keeping:
    """Satisfies `remuda.dialects.nodes.herd.Pulls` and `remuda.dialects.ollama.keepers.Keepers`."""

    def __init__(self, nodes: Nodes, *, max_uploads: int, pseudonym: str = "") -> None:
        """`pseudonym`: what this gateway calls itself to other Remudas."""
        self._nodes = nodes
        self._pseudonym = pseudonym
        self._via: Via | None = None
        """What the request has come through."""
        self._max_uploads = max_uploads
        """Files that are given at once."""
        self._uploads: set[AsyncIterable[bytes]] = set()
        """Those under way, whoever sends them."""

    def past(self, via: Via | None) -> "Keeping":
        """The same for a request that has come through others. Raises LoopDetected."""
        if via is None:
            return self
        if self._pseudonym in via.hops:
            raise LoopDetected
        others = copy(self)
        others._via = via
        if self._keepers() and not others._keepers():
            raise LoopDetected("nobody here keeps models but those who have passed the request on already")
        return others

    def _keepers(self) -> list[NodeStatus]:
        """The nodes that keep models by that API and answer at present, but for those that have passed this on."""
        passed = frozenset[str]() if self._via is None else self._via.hops
        return [
            node
            for node in self._nodes.statuses()
            if node.kind in CAN and node.state is not ReplicaState.STANDBY and node.instance not in passed
        ]

    def _headers(self, node: NodeStatus) -> Mapping[str, str]:
        if node.kind is not NodeKind.REMUDA or not self._pseudonym:
            return NO_HEADERS
        return {"Via": with_hop(self._via, self._pseudonym.encode()).decode("latin-1")}

    async def pull(
        self, nodes: Sequence[NodeStatus], model: str, *, is_insecure: bool, progress: Progress
    ) -> Sequence[Pulled]:
        """Have all of `nodes` fetch `model`, a few at a time; nothing is raised for one that fails."""
        asked = {"model": model, "insecure": is_insecure, "stream": True}
        return await self._each(nodes, "/api/pull", asked, progress)

    async def stream(
        self, path: str, asked: Mapping[str, Any], progress: Callable[[str, Mapping[str, Any]], None]
    ) -> Sequence[Outcome]:
        """Ask all nodes that can at `path`, and hand on what each (by its name) says on the way."""
        done = await self._each(self._keepers(), path, asked, lambda node, said: progress(node.name, said))
        return [Outcome(each.node.name, each.is_well, each.message, each.status) for each in done]

    async def call(self, method: str, path: str, body: bytes) -> Sequence[Said]:
        """What each node that can answers at `path`; status 0 where it does not."""

        def called(client: OutboundClient, root: str, headers: Mapping[str, str]) -> Awaitable[tuple[int, bytes]]:
            return client.call(method, path, body, base_path=root, headers=headers)

        return await asyncio.gather(*(self._said(node, called) for node in self._keepers()))

    async def give(self, path: str, pieces: AsyncIterable[bytes], size: int | None) -> Sequence[Said]:
        """Give the nodes that can, and that lack it, the file at `path`, all at the pace of the slowest of them. Raises
        Unavailable where as many files are under way as may be."""
        if len(self._uploads) >= self._max_uploads:
            raise Unavailable(
                f"{len(self._uploads)} files are on their way to nodes already: try again in {BUSY_RETRY_S} s",
                retry_after_s=BUSY_RETRY_S,
            )
        self._uploads.add(pieces)
        try:
            return await self._given(path, pieces, size)
        finally:
            self._uploads.discard(pieces)

    async def _given(self, path: str, pieces: AsyncIterable[bytes], size: int | None) -> Sequence[Said]:
        async def upload(node: NodeStatus, taker: Taker) -> Said:
            try:
                return await self._said(
                    node,
                    lambda client, root, headers: client.upload(
                        path, taker, size, base_path=root, silence_s=SILENCE_S, headers=headers
                    ),
                )
            finally:
                taker.leave()

        nodes = {node.name: node for node in self._keepers()}
        said = {each.node: each for each in await self.call("HEAD", path, b"")}
        takers = {name: Taker() for name, each in said.items() if each.status == 404 and name in nodes}
        tasks = Tasks("giving")
        try:
            uploads = [tasks.start(upload(nodes[name], taker), name) for name, taker in takers.items()]
            if uploads:
                await spread(pieces, list(takers.values()))
            said |= {each.node: each for each in await asyncio.gather(*uploads)}
        finally:
            await tasks.close()
        return list(said.values())

    async def _said(self, node: NodeStatus, ask: Ask) -> Said:
        """What the node answers to what `ask` asks of its client, below its root."""
        found = self._nodes.client_of(node)
        if found is None:
            return Said(node.name, 0, node.reason.encode())
        try:
            return Said(node.name, *await ask(*found, self._headers(node)))
        except OutboundError as error:
            return Said(node.name, 0, str(error).encode())

    async def _each(
        self, nodes: Sequence[NodeStatus], path: str, asked: Mapping[str, Any], progress: Progress
    ) -> list[Pulled]:
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(node: NodeStatus) -> Pulled:
            async with turn:
                return await self._told(node, path, asked, progress)

        return list(await asyncio.gather(*(one(node) for node in nodes)))

    async def _told(self, node: NodeStatus, path: str, asked: Mapping[str, Any], progress: Progress) -> Pulled:
        found = self._nodes.client_of(node)
        if node.kind not in CAN:
            return Pulled(node, False, f"a node of kind {node.kind or 'unknown'} fetches no models")
        if found is None:
            return Pulled(node, False, node.reason)
        client, root = found
        last: dict[str, Any] = {}

        def on_line(said: Any) -> None:
            if isinstance(said, Mapping):
                last.clear()
                last.update(said)
                if "error" not in said:  # what came of it is said at the end, of all nodes together
                    progress(node, said)

        try:
            if path == PUSH and node.kind is NodeKind.OLLAMA:
                # Else it would begin, and fail with a sentence of no certain wording.
                status, _ = await client.call("POST", "/api/show", msgspec.json.encode(asked), base_path=root)
                if status == LACKS_IT:
                    return Pulled(node, False, "it does not have that model", LACKS_IT)
            await client.post_lines(
                path, dict(asked), on_line, base_path=root, silence_s=SILENCE_S, headers=self._headers(node)
            )
        except OutboundError as error:
            return Pulled(node, False, str(error), error.status)
        if "error" in last:
            return Pulled(node, False, str(last["error"])[:500])
        # Ollama ends with this word; whatever ends without it was cut off.
        is_well = last.get("status") == "success"
        return Pulled(node, is_well, "success" if is_well else "it broke off before it was through")
