"""The questions that a server elsewhere is asked: what kind of server it is, and what it offers."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from remuda.core.node import NodeKind
from remuda.fleet.replica import Told
from remuda.fleet.sources.kinds import Answers, is_llamacpp, is_remuda, is_vllm, kind_of, speaks_messages
from remuda.fleet.sources.offers import Offers, listed, props_in, tagged, with_running, with_shown
from remuda.outbound.http import NothingThere, NotJson, OutboundClient, OutboundError

log = logging.getLogger(__name__)

MODELS: Final = "/models"
"""Where an OpenAI-compatible server lists its models, below its base address."""
MESSAGES: Final = "/messages"
"""Where one that speaks Anthropic's API, too, takes its requests."""
COUNT: Final = "/messages/count_tokens"
"""Where such a one counts the tokens of a prompt; not all do."""
UNWELL: Final = frozenset({None, 502, 503, 504})
"""Statuses (None: nothing was answered) that tell nothing of a server but that it is not well."""
SHOWN_AT_ONCE: Final = 20
"""How many models are asked after one by one in one round."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a server said of itself."""

    offers: Offers | None
    """Its models; None where it has no list of them at all."""
    why: str = ""
    """Why not."""
    slots: int | None = None
    """How many asks it takes at once, where it tells."""
    has_messages: bool = False
    """It speaks Anthropic's API, too, and lets go of a request whose client has left."""
    counts_tokens: bool = False
    """In that it can be asked how many tokens a prompt has."""


class Questions:
    """Asks one server, and keeps what need not be asked each time."""

    def __init__(self, client: OutboundClient, root: str) -> None:
        """`client` stands where the server's OpenAI API does; its own stands below the path `root`."""
        self._client = client
        self._root = root
        self._offers: Offers = {}
        self._has_messages: bool | None = None
        """None: it has not been asked since it came up."""
        self._counts_tokens: bool | None = None
        """As `_has_messages`."""
        self._is_remuda = False
        """It has said so since it came up."""
        self._shown: dict[str, Told] = {}
        """What was told of single models, by their digest."""

    async def kind(self) -> NodeKind | None:
        """What kind of server it is; None where it has to be asked again, since what speaks for another kind may just
        not have been said. Raises OutboundError where it is away."""
        said = Answers(models=await self._or_none(self._client.get_json(MODELS)), are_all=False)
        for name, path in _PLACES.items():
            if name == "tags" and said.ollama_version is None:
                continue
            try:
                said = replace(said, **{name: await self._or_none(self._own(path))})
            except OutboundError:
                return None
            if (kind := kind_of(said)) is not None:
                return kind
        return kind_of(replace(said, are_all=True))

    async def found(self, kind: NodeKind) -> Found:
        """What a server of that kind offers; raises OutboundError where it does not answer as such a server does."""
        try:
            match kind:
                case NodeKind.OLLAMA:
                    return await self._ollama()
                case NodeKind.LLAMA_CPP:
                    return await self._llamacpp()
                case NodeKind.REMUDA:
                    return await self._remuda()
            return await self._openai()
        except OutboundError:
            self._has_messages, self._counts_tokens, self._is_remuda = (
                None,
                None,
                False,
            )  # it may be of another version when it is back
            raise

    async def more(self, kind: NodeKind, offers: Offers) -> Mapping[str, Told]:
        """What is told of models one by one, which is dear and therefore asked once for each, a few in one round: of
        those that were asked after now, by the model's name."""
        if kind is not NodeKind.OLLAMA:
            return {}
        told = {name: offer.told for name, offer in offers.items() if offer.told is not None}
        present = {_version(name, each) for name, each in told.items()}
        self._shown = {version: each for version, each in self._shown.items() if version in present}
        unknown = [name for name, each in told.items() if _version(name, each) not in self._shown]
        made: dict[str, Told] = {}
        for name in unknown[:SHOWN_AT_ONCE]:
            try:
                answer = await self._client.post_json("/api/show", {"model": name}, base_path=self._root)
            except OutboundError as error:
                log.debug("the model %s could not be asked after: %s", name, error)
                if error.status in UNWELL:
                    break  # the rest will be asked after when it is well again
                answer = None
            self._shown[_version(name, told[name])] = with_shown(Told(), answer)
            made[name] = self._completed(name, told[name])
        return made

    def _completed(self, name: str, told: Told) -> Told:
        """`told` with what is known of the model alone."""
        shown = self._shown.get(_version(name, told))
        if shown is None:
            return told
        capabilities = shown.capabilities or told.capabilities
        return replace(told, capabilities=capabilities, trained_context=shown.trained_context)

    async def _models(self) -> tuple[Any, Found]:
        """What it answers where its models should be, as it is and as it is read."""
        try:
            answer = await self._client.get_json(MODELS)
        except NothingThere as error:
            return None, Found(None, f" ({error})")
        except NotJson as error:
            raise OutboundError(f"{error} where its models should be: is this its base address?") from error
        if (offers := listed(answer)) is None:
            raise OutboundError("it answers something that is not a list of models")
        return answer, Found(offers)

    async def _openai(self) -> Found:
        answer, found = await self._models()
        if found.offers is None:
            return found
        if self._has_messages is None and is_vllm(answer):
            self._has_messages = await self._takes_posts(MESSAGES)
        if self._counts_tokens is None and self._has_messages:
            self._counts_tokens = await self._takes_posts(COUNT)
        return replace(found, has_messages=bool(self._has_messages), counts_tokens=bool(self._counts_tokens))

    async def _remuda(self) -> Found:
        found = await self._openai()
        if not self._is_remuda:
            self._is_remuda = is_remuda(await self._or_none(self._own("/version")))
            if not self._is_remuda:
                raise OutboundError("it does not answer as a Remuda does")
        return found

    async def _takes_posts(self, path: str) -> bool | None:
        """Whether there is something at `path` that a GET is not the way to ask; None where that cannot be told now."""
        try:
            await self._client.get_json(path)
        except OutboundError as error:
            return None if error.status in UNWELL else error.status == 405
        return False

    async def _ollama(self) -> Found:
        offers = tagged(await self._own("/api/tags"))
        if offers is None:
            raise OutboundError("it does not list its models as Ollama does")
        try:
            running = await self._own("/api/ps")
        except OutboundError as error:
            log.debug("the running models are not known: %s", error)
            running = None
        self._offers = {
            name: replace(offer, told=self._completed(name, offer.told)) if offer.told is not None else offer
            for name, offer in with_running(offers, running, self._offers).items()
        }
        if self._has_messages is None:
            try:
                self._has_messages = speaks_messages(await self._own("/api/version"))
            except OutboundError as error:
                log.debug("the version of an Ollama is not known: %s", error)
        return Found(self._offers, has_messages=bool(self._has_messages))

    async def _llamacpp(self) -> Found:
        answer, found = await self._models()
        told = await self._or_none(self._own("/props"))  # raises while it loads its model
        if not is_llamacpp(answer, told):
            raise OutboundError("it does not answer as llama.cpp's server does")
        props = props_in(told)
        if found.offers is None or props.context_length is None:
            return replace(found, slots=props.slots)
        offers = {name: replace(offer, context_length=props.context_length) for name, offer in found.offers.items()}
        return Found(offers, slots=props.slots)

    async def _own(self, path: str) -> Any:
        return await self._client.get_json(path, base_path=self._root)

    async def _or_none(self, asked: Any) -> Any:
        """The answer, or None for a refusal: that is an answer too, unlike a server that is away."""
        try:
            return await asked
        except OutboundError as error:
            if error.status in UNWELL:
                raise
            return None


_PLACES: Final = {"version": "/version", "ollama_version": "/api/version", "tags": "/api/tags", "props": "/props"}
"""Where a server of some kind or other says what it is, by the name of the answer."""


def _version(name: str, told: Told) -> str:
    return told.digest or name
