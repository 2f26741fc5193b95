"""Servers elsewhere: what kind they are and what they offer is asked of them again and again."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from remuda.core.address import Address
from remuda.core.chance import Chance
from remuda.core.clock import Clock
from remuda.core.model_names import each_once, twin_of
from remuda.core.node import NodeKind
from remuda.engines.protocol import Engine
from remuda.fleet.health import Health, HealthRules
from remuda.fleet.registry import WILDCARD, Asked, Asking, FleetChange, Served
from remuda.fleet.replica import Deadlines, Replica, ReplicaState, Slots
from remuda.fleet.sources.offers import NO_DETAILS, Offer, Offers, listed
from remuda.fleet.sources.questions import Found, Questions
from remuda.fleet.sources.sighting import Sighting
from remuda.outbound.http import OutboundClient, OutboundError
from remuda.wire.via import MAX_HOPS

log = logging.getLogger(__name__)

MAX_NAMED: Final = 3
"""Models that a sentence names."""


class UpstreamSource:
    """Watches one server and announces the replicas it offers."""

    def __init__(
        self,
        name: str,
        *,
        address: Address,
        engines: Mapping[NodeKind, Engine],
        with_messages: Mapping[NodeKind, Engine] = MappingProxyType({}),
        with_counts: Mapping[NodeKind, Engine] = MappingProxyType({}),
        kind: NodeKind | None = None,
        client: OutboundClient,
        slots: int,
        held: Slots | None = None,
        headers: tuple[tuple[bytes, bytes], ...],
        models: Sequence[str],
        is_drained: bool = False,
        deadlines: Deadlines,
        tls: ssl.SSLContext | None = None,
        weight: int = 1,
        announce: Callable[[FleetChange], None],
        recovered: Callable[[Slots, str], None] = lambda slots, name: None,
        clock: Clock,
        chance: Chance,
        rules: HealthRules,
        is_asking: Callable[[str], bool] = lambda place: True,
        pseudonym: str = "",
    ) -> None:
        """`address` is where the server's OpenAI API stands; its own stands there too, without the `/v1`. Without a
        `kind` it is found out. `with_messages`: in place of `engines`, where it speaks Anthropic's API; `with_counts`:
        where it counts tokens in that, too. `held`: the slots of whoever watched the server before, with what is in
        use. While `is_asking` says no of its place, somebody else asks, and what they see is taken over. `pseudonym`:
        what this gateway calls itself to other Remudas."""
        self.name = name
        self.kind = kind
        """What kind of server it is; None: that is not known yet."""
        self.latency_s: float | None = None
        """How long it took to answer the last probe; None where it did not."""
        self.trouble = ""
        """Why it did not, in words."""
        self._is_kind_given = kind is not None
        self._address = address
        self._root = address.base_path.removesuffix("/v1")
        self._engines = engines
        self._with_messages = with_messages
        self._with_counts = with_counts
        self._questions = Questions(client, self._root, pseudonym)
        self._slots_bound = slots
        self._slots = held if held is not None else Slots(slots)
        self._headers = headers
        self._configured = tuple(models)
        self._is_drained = is_drained
        self._deadlines = deadlines
        self._tls = tls
        self._weight = weight
        self._announce = announce
        self._recovered = recovered
        self._clock = clock
        self._chance = chance
        self._rules = rules
        self._may_ask = is_asking
        self._pseudonym = pseudonym
        self._found: Found | None = None
        self._away: frozenset[str] = frozenset()
        """What it lists although nobody it knows has it at present."""
        self.probes = 0
        """How often it has been asked."""
        self._replicas: dict[str, Replica] = {}
        self._health = Health()
        self._is_asking = False
        self._has_answered = False
        self.asked = asyncio.Event()
        """Set once it has been asked for the first time, whatever came of it."""
        self._is_changed = False
        """Something has changed that no replica shows by itself, and has to be announced."""
        self._resize(self._slots.size)

    @property
    def state(self) -> ReplicaState:
        """How it stands, whether it offers anything or not."""
        if self._is_drained:
            return ReplicaState.DRAINING
        return ReplicaState.ACTIVE if self._has_answered and self._health.is_up else ReplicaState.STANDBY

    @property
    def place(self) -> str:
        """What tells it from all other servers, whichever gateway names it."""
        return f"{self.name} {self._address.url}"

    @property
    def root(self) -> str:
        """The path that the server's own API stands below."""
        return self._root

    @property
    def models(self) -> tuple[str, ...]:
        """What it offers, or did when it last answered."""
        return tuple(name for name in self._replicas if name != WILDCARD)

    @property
    def held_back(self) -> str:
        """Which of its models get no requests, because those before failed, in words; empty: none of them."""
        held = [name for name, replica in self._replicas.items() if replica.is_held_back]
        if not held:
            return ""
        if len(held) == len(self._replicas):
            return "requests fail, so it gets none for a while"
        more = f" and {len(held) - MAX_NAMED} more" if len(held) > MAX_NAMED else ""
        return f"requests for {', '.join(held[:MAX_NAMED])}{more} fail, so it gets none of those for a while"

    @property
    def instance(self) -> str:
        """Which Remuda it is; empty where it is none, or has not told."""
        return "" if self._found is None else self._found.instance

    @property
    def slots(self) -> Slots:
        """Those of the server."""
        return self._slots

    def begin(self) -> None:
        """Announce what configuration names, before the server has been asked, or else that it is being asked."""
        if self._configured:
            self._serve(self._configured)
        else:
            self._is_asking = True
            self._announce(Asking(self.name))

    def drain(self, is_drained: bool = True) -> None:
        """Finish what runs and take nothing new from now on; False: take requests again."""
        self._is_drained = is_drained
        if self._replicas:
            self._serve(tuple(self._replicas))

    async def run(self) -> None:
        """Ask for ever. Survives every answer, every failure to get one, and whatever an answer does to those told."""
        while True:
            if not self._may_ask(self.place):
                await self._clock.sleep(self._rules.again_s)
                continue
            try:
                await self.ask()
            except Exception:  # a prober that has died leaves its server as it was for ever
                log.exception("upstream %s could not be asked", self.name)
                self._health = self._health.after(False, self._rules)
            await self._clock.sleep(self._health.next_probe_s(self._rules, self._chance))

    async def ask(self) -> None:
        """Ask the server once what it is and what it offers, and announce it."""
        offers: Offers = {}
        try:
            offers = await self._ask()
        finally:
            self.probes += 1
            self._was_asked()
        if offers and self.kind is not None:
            # For lists alone: nobody is told, and nobody waits for it.
            for name, told in (await self._questions.more(self.kind, offers)).items():
                if (replica := self._replicas.get(name)) is not None:
                    replica.told = told

    @property
    def sighting(self) -> Sighting:
        """What asking it has told so far."""
        return Sighting(self._health, self.kind, self.trouble, self.latency_s, self._found)

    def adopt(self, seen: Sighting) -> None:
        """Take over what another gateway has seen."""
        before, self._health = self._health, seen.health
        if not self._is_kind_given:
            self.kind = seen.kind
        self.trouble, self.latency_s = seen.trouble, seen.latency_s
        if before.is_up is not seen.health.is_up:
            log.info(
                "upstream %s %s, as seen by another gateway", self.name, "is up" if seen.health.is_up else "is away"
            )
        if seen.health.is_up and not before.is_up:
            self._recovered(self._slots, self.name)
        if seen.found is not None and self._is_self(seen.found):
            self._set_aside()
        elif seen.found is not None:
            self._take(seen.found)
        elif self._replicas:
            self._serve(tuple(self._replicas))
        self._was_asked()

    def _was_asked(self) -> None:
        self.asked.set()
        if self._is_asking:
            self._is_asking = False
            self._announce(Asked(self.name))

    async def _ask(self) -> Offers:
        started = self._clock.monotonic()
        try:
            if self.kind is None or not (self._is_kind_given or self._health.is_up):
                await self._find_out()
                started = self._clock.monotonic()
            # One whose kind is not certain yet is asked what all are asked.
            found = await self._questions.found(self.kind or NodeKind.OPENAI)
        except OutboundError as error:
            self._failed(str(error))
        except Exception as error:  # whatever it was, there was no answer: that counts as one failure
            if self._health == Health():
                log.exception("upstream %s could not be asked", self.name)
            self._failed(type(error).__name__)
        else:
            if self._is_self(found):
                self._set_aside()
                return {}
            if self._has_lost_its_list(found):
                self._failed("it no longer lists its models")
                return {}
            self.latency_s = self._clock.monotonic() - started
            self._answered(found)
            return found.offers or {}
        return {}

    def _is_self(self, found: Found) -> bool:
        return bool(found.instance) and found.instance == self._pseudonym

    def _has_lost_its_list(self, found: Found) -> bool:
        """Whether it did list its models and does not now: what takes any name is another server, and this one may be
        back the next time. It is believed once this one counts as away."""
        return (
            found.offers is None and self._found is not None and self._found.offers is not None and self._health.is_up
        )

    def _set_aside(self) -> None:
        """It is this gateway: whatever it offers it would have from itself."""
        self.latency_s = None
        if self.trouble != ITSELF:
            self.trouble = ITSELF
            log.warning("upstream %s is on standby: %s", self.name, ITSELF)
        self._health = Health(is_up=False)
        if self._replicas:
            self._serve(tuple(self._replicas))

    async def _find_out(self) -> None:
        kind = await self._questions.kind()
        if kind is None or kind is self.kind:
            return
        log.info("upstream %s is %s", self.name, IN_WORDS[kind])
        self.kind = kind

    def _answered(self, found: Found) -> None:
        self.trouble = ""
        before, self._health = self._health, self._health.after(True, self._rules)
        if found.offers is None:
            what = f"does not list its models{found.why}: any name is passed on to it"
        else:
            what = f"offers {len(found.offers)} models"
        if not before.is_up and not self._health.is_up:
            what = f"answers again and is on standby until it has done so {self._rules.successes} times in a row"
        if before != self._health or not self._replicas:
            log.info("upstream %s %s", self.name, what)
        if self._health.is_up and not before.is_up:
            self._recovered(self._slots, self.name)
        self._take(found)

    def _take(self, found: Found) -> None:
        """Serve what the server says it has."""
        self._found = found
        self._has_answered = True
        offers: Offers = {WILDCARD: NO_DETAILS} if found.offers is None else self._from_others(found.offers)
        if self._configured:
            offers = {name: offers.get(name) or offers.get(twin_of(name), NO_DETAILS) for name in self._configured}
        self._away = frozenset(name for name, offer in offers.items() if offer.is_away)
        self._resize(found.slots)
        self._serve(tuple(offers), offers)

    def _from_others(self, offers: Offers) -> Offers:
        """What it has from others than this gateway, and not from too far away."""
        return {
            name: offer
            for name, offer in offers.items()
            if self._pseudonym not in offer.via and len(offer.via) < MAX_HOPS
        }

    def _resize(self, told: int | None) -> None:
        """Give out as many slots as the server says it has, and no more than the settings allow."""
        size = self._slots_bound if told is None else min(told, self._slots_bound)
        slots = self._slots
        if size != slots.size:
            slots.size = size
            slots.total = size if slots.breaker is None else min(slots.total, size)
            self._is_changed = True

    def _failed(self, why: str) -> None:
        self.trouble, self.latency_s = why, None
        before, self._health = self._health, self._health.after(False, self._rules)
        if before == Health():
            log.warning("upstream %s: %s", self.name, why)
        if not self._health.is_up and self._replicas:
            if before.is_up:
                log.warning("upstream %s is on standby until it answers again", self.name)
            self._serve(tuple(self._replicas))

    def _serve(self, names: Sequence[str], offers: Offers | None = None) -> None:
        """Announce replicas for `names`; those known keep their identity, so that their slots keep their count. Of what
        is told in `offers` beyond the names, only what a request's way depends on is worth an announcement. A model
        that it has by both its names is served once."""
        names = each_once(names)
        state = ReplicaState.ACTIVE if self._health.is_up else ReplicaState.STANDBY
        if self._is_drained:
            state = ReplicaState.DRAINING  # whether it answers or not: what it finishes is its own business
        kind = self.kind or NodeKind.OPENAI
        engine = self._engines[kind]
        if self._found is not None and self._found.has_messages:
            engine = self._with_messages.get(kind, engine)
            if self._found.counts_tokens:
                engine = self._with_counts.get(kind, engine)
        is_news = self._is_changed or set(names) != set(self._replicas)
        replicas = {}
        for name in names:
            replica = self._replicas.get(name)
            if replica is None or replica.engine is not engine:
                replica = self._replica(name, engine)
                is_news = True
            if offers is not None:
                offer = offers[name]
                replica.told = offer.told
                if offer.context_length is not None and offer.context_length != replica.context_length:
                    replica.context_length = offer.context_length
                    is_news = True
                replica.path = self._path(offer)
            stands = ReplicaState.STANDBY if state is ReplicaState.ACTIVE and name in self._away else state
            is_news = is_news or replica.state is not stands
            replica.state = stands
            replicas[name] = replica
        if is_news:
            self._announce(Served(self.name, tuple(replicas.values()), offered=tuple(names)))
            self._is_changed = False
        self._replicas = replicas

    def _path(self, offer: Offer) -> tuple[str, ...]:
        """The Remudas that a request passes, this server first; none where it is no Remuda."""
        return (self.instance, *offer.via) if self.instance or self.kind is NodeKind.REMUDA else ()

    def _replica(self, name: str, engine: Engine) -> Replica:
        has_root = self.kind in (NodeKind.OLLAMA, NodeKind.LLAMA_CPP)
        return Replica(
            self.name if name == WILDCARD else f"{self.name}/{name}",
            model=name,
            upstream_model="" if name == WILDCARD else name,
            engine=engine,
            address=replace(self._address, base_path=self._root) if has_root else self._address,
            slots=self._slots,
            headers=self._headers,
            deadlines=self._deadlines,
            tls=self._tls,
            weight=self._weight,
            path=self._path(NO_DETAILS),
        )


ITSELF: Final = "it is this gateway itself"
"""What is the matter with a server that is."""


def names_in(answer: Any) -> tuple[str, ...] | None:
    """The model names in an OpenAI model list, sorted; None where `answer` is no such list."""
    offers = listed(answer)
    return None if offers is None else tuple(offers)


IN_WORDS: Final = {
    NodeKind.OLLAMA: "an Ollama",
    NodeKind.LLAMA_CPP: "a llama.cpp server",
    NodeKind.OPENAI: "an OpenAI-compatible server",
    NodeKind.REMUDA: "another Remuda",
}
