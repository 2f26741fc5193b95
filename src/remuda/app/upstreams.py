"""What watches a server elsewhere, made of what settings say of it."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from remuda.app.settings import HealthSettings, UpstreamSettings
from remuda.core.chance import system_chance
from remuda.core.clock import Clock
from remuda.core.ids import Ids
from remuda.core.node import NodeKind
from remuda.dialects.anthropic import face as anthropic
from remuda.engines.llamacpp.adapter import LlamaCpp
from remuda.engines.ollama.adapter import Ollama
from remuda.engines.openai.adapter import OpenAILike
from remuda.engines.protocol import Engine
from remuda.fleet.health import HealthRules
from remuda.fleet.registry import FleetChange
from remuda.fleet.replica import Deadlines, Slots
from remuda.fleet.sources.upstream import UpstreamSource
from remuda.outbound.http import OutboundClient


@dataclass(frozen=True, slots=True)
class Upstream:
    """A server that is watched, and what it is asked by."""

    source: UpstreamSource
    client: OutboundClient


class UpstreamMaker:
    """Makes them."""

    def __init__(
        self,
        health: HealthSettings,
        clock: Clock,
        announce: Callable[[FleetChange], None],
        recovered: Callable[[Slots, str], None],
        is_asking: Callable[[str], bool] = lambda place: True,
        *,
        ids: Ids = lambda: "",
        continuation_max_bytes: int = 0,
        pseudonym: str = "",
    ) -> None:
        """`is_asking`: whether this gateway asks the server at that place. `ids`, `continuation_max_bytes`: see
        `LlamaCpp`. `pseudonym`: what it calls itself to other Remudas."""
        self._pseudonym = pseudonym
        self._clock = clock
        self._announce = announce
        self._recovered = recovered
        self._is_asking = is_asking
        counting = OpenAILike([anthropic.NAME], counts_tokens=True)
        self._with_messages: Mapping[NodeKind, Engine] = {
            NodeKind.OLLAMA: Ollama([anthropic.NAME]),
            NodeKind.OPENAI: OpenAILike([anthropic.NAME]),
        }
        self._with_counts: Mapping[NodeKind, Engine] = {NodeKind.OPENAI: counting}
        self._engines: Mapping[NodeKind, Engine] = {
            NodeKind.OLLAMA: Ollama(),
            NodeKind.LLAMA_CPP: LlamaCpp(clock.wall, ids=ids, continuation_max_bytes=continuation_max_bytes),
            NodeKind.OPENAI: OpenAILike(),
            NodeKind.REMUDA: counting,
        }
        self._rules = HealthRules(
            failures=health.failures_to_standby,
            successes=health.successes_to_active,
            every_s=health.probe_every_s,
            again_s=health.probe_again_s,
            jitter=health.probe_jitter_percent / 100,
        )

    def made(self, upstream: UpstreamSettings, *, held: Slots | None = None) -> Upstream:
        """What watches `upstream`. Raises OSError (`ssl.SSLError` among them) where its certificates cannot be read.

        `held`: its slots, where it was watched until now.
        """
        address = upstream.address
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if upstream.api_key is not None:
            headers = ((b"Authorization", b"Bearer " + upstream.api_key.get_secret_value().encode()),)
        tls = None
        if address.is_tls:
            tls = ssl.create_default_context(cafile=str(upstream.ca_file) if upstream.ca_file else None)
        client = OutboundClient(address, headers=headers, timeout_s=10, tls=tls)
        source = UpstreamSource(
            upstream.display_name,
            address=address,
            engines=self._engines,
            with_messages=self._with_messages,
            with_counts=self._with_counts,
            kind=upstream.kind,
            client=client,
            slots=upstream.slots,
            held=held,
            weight=upstream.weight,
            headers=headers,
            models=upstream.models,
            is_drained=upstream.drain,
            tls=tls,
            deadlines=Deadlines(upstream.connect_timeout_s, upstream.ttft_timeout_s, upstream.silence_timeout_s),
            announce=self._announce,
            recovered=self._recovered,
            clock=self._clock,
            chance=system_chance,
            rules=self._rules,
            is_asking=self._is_asking,
            pseudonym=self._pseudonym,
        )
        return Upstream(source, client)
