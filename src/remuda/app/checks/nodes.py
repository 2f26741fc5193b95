"""The servers elsewhere that stand in the store: what kind each is, and whether it lists its models."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from remuda.app.checks.finding import Finding, fail, warn
from remuda.app.checks.servers import ASKED_FOR_S, recognised
from remuda.app.sealing import CredentialError, Sealer
from remuda.app.settings import Settings, UpstreamSettings
from remuda.core.node import Node, NodeKind
from remuda.fleet.sources.questions import Questions
from remuda.outbound.http import OutboundClient, OutboundError


async def check_nodes(settings: Settings, nodes: Sequence[Node]) -> list[Finding]:
    """Whether each node answers, and as what. All are asked at once, as a gateway asks them."""
    sealer = Sealer(settings.data_dir, settings.auth.sealing_secret)
    return list(await asyncio.gather(*(_check_node(node, sealer) for node in nodes)))


async def _check_node(node: Node, sealer: Sealer) -> Finding:
    try:
        address = UpstreamSettings(url=node.url).address
    except ValueError:  # another version's, or changed by hand
        return fail("node", f"{node.name}: what is kept of it cannot be used", "remove it and add it again")
    try:
        key = sealer.open(node.credential)
    except CredentialError as error:
        return fail("node", f"{node.name}: its credential cannot be used: {error}", "give it the key again")
    headers = ((b"Authorization", b"Bearer " + key.encode()),) if key else ()
    client = OutboundClient(address, headers=headers, timeout_s=ASKED_FOR_S)
    questions = Questions(client, address.base_path.removesuffix("/v1"))
    try:
        kind = await questions.kind()
        found = await questions.found(kind or node.kind or NodeKind.OPENAI)
    except OutboundError as error:
        return fail("node", f"{node.name}: {error}", f"see that it runs, and that {node.url} is its address")
    finally:
        await client.close()
    if found.offers is None:
        return warn("node", f"{node.name} does not list its models{found.why}", "is this its base address?")
    finding = recognised("node", node.name, kind, node.kind, len(found.offers))
    return replace(finding, message=f"{finding.message} (drained)") if node.is_drained else finding
