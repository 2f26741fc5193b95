"""What servers elsewhere answer when they are asked for their models, read. Pure.

Sources: OpenAI API reference (`/v1/models`) and what vLLM (`max_model_len`), llama.cpp (`meta`) and others add to it;
Ollama's `docs/api.md` (`/api/tags`, `/api/ps`, `/api/show`); llama.cpp's `tools/server/README.md` (`/props`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from remuda.fleet.registry import WILDCARD
from remuda.fleet.replica import Told

MAX_MODELS: Final = 10_000
"""Of one server; the rest of its list is passed over."""
MAX_NAME: Final = 256
"""What a request may ask for; nobody could ask for a model with a longer name."""
MAX_CHARS: Final = 256
"""Of any text that a server tells; what is longer is passed over."""
MAX_WORDS: Final = 32
"""Of a list of words that it tells."""
MAX_COUNT: Final = 2**62


@dataclass(frozen=True, slots=True)
class Offer:
    """One model as its server lists it."""

    context_length: int | None = None
    """Tokens per request."""
    told: Told | None = None
    via: tuple[str, ...] = ()
    """The Remudas that a request for it passes behind its server, the nearest first."""
    is_away: bool = False
    """The server, a Remuda, knows the model, and nobody at present who has it."""


NO_DETAILS: Final = Offer()
NOTHING: Final = Told()

Offers = Mapping[str, Offer]


def listed(answer: Any) -> Offers | None:
    """The models in an OpenAI model list; None where `answer` is no such list.

    Some servers send the entries alone, without what is around them; some write null for a list of none.
    """
    if isinstance(answer, list) and any(isinstance(entry, dict) for entry in answer):
        answer = {"data": answer}
    elif isinstance(answer, dict) and answer.get("object") == "list" and answer.get("data") is None:
        answer = {"data": []}
    return _named(answer, "data", ("id",), _as_listed)


def instance_in(answer: Any) -> str:
    """Which Remuda lists its models so; empty where it is none, or does not tell."""
    return _text(answer.get("remuda"), "instance") if isinstance(answer, dict) else ""


def tagged(answer: Any) -> Offers | None:
    """The models in Ollama's `/api/tags`; None where `answer` is no such list."""
    return _named(answer, "models", ("name", "model"), _as_tagged)


def with_running(offers: Offers, answer: Any, before: Offers) -> Offers:
    """`offers` with what Ollama's `/api/ps` tells of those that are loaded; the context that a model was loaded with is
    kept from `before`, where it no longer is."""
    running = _named(answer, "models", ("name", "model"), _as_running)
    made: dict[str, Offer] = {}
    for name, offer in offers.items():
        loaded = None if running is None else running.get(name)
        kept = before.get(name, NO_DETAILS).context_length
        told = offer.told or NOTHING
        if loaded is not None and loaded.told is not None:
            told = replace(
                told,
                is_running=True,
                size_vram_bytes=loaded.told.size_vram_bytes,
                expires_at=loaded.told.expires_at,
            )
            kept = loaded.context_length or kept
        elif running is not None:
            told = replace(told, is_running=False)
        made[name] = Offer(kept, told)
    return made


def with_shown(told: Told, answer: Any) -> Told:
    """`told` with what Ollama's `/api/show` tells of the model: what it can do, and its own context."""
    info = answer.get("model_info") if isinstance(answer, dict) else None
    capabilities = _words(answer, "capabilities")
    context = None
    if isinstance(info, dict):
        architecture = info.get("general.architecture")
        context = _count(info, f"{architecture}.context_length")
    return replace(told, capabilities=capabilities or told.capabilities, trained_context=context)


@dataclass(frozen=True, slots=True)
class Props:
    """What llama.cpp's `/props` tells."""

    slots: int | None = None
    context_length: int | None = None
    """Tokens per slot."""


def props_in(answer: Any) -> Props:
    """What is kept of llama.cpp's `/props`."""
    generation = answer.get("default_generation_settings") if isinstance(answer, dict) else None
    return Props(_count(answer, "total_slots"), _count(generation, "n_ctx"))


def _named(answer: Any, field: str, names: tuple[str, ...], read: Any) -> dict[str, Offer] | None:
    entries = answer.get(field) if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        return None
    made: dict[str, Offer] = {}
    for entry in entries[:MAX_MODELS]:
        if isinstance(entry, dict):
            name = next((value for key in names if _is_name(value := entry.get(key))), None)
            if name is not None:
                made[name] = read(entry)
    return dict(sorted(made.items()))


def _is_name(value: Any) -> bool:
    """Whether a model can be called so: the name goes into logs, metrics, headers and consoles as it is."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable() and value != WILDCARD


def _as_listed(entry: dict[str, Any]) -> Offer:
    meta = entry.get("meta")
    context = _count(entry, "max_model_len") or _count(entry, "context_length") or _count(meta, "n_ctx")
    standing = entry.get("remuda")
    facts = standing.get("facts") if isinstance(standing, dict) else None
    told = Told(size_bytes=_count(meta, "size"), trained_context=_count(meta, "n_ctx_train"))
    if isinstance(facts, dict):
        told = _with_standing(_told_in(facts), facts)
    is_away = isinstance(standing, dict) and standing.get("away") is True
    return Offer(context, told if told != NOTHING else None, _words(standing, "via") or (), is_away)


def _with_standing(told: Told, facts: dict[str, Any]) -> Told:
    """`told` with what only another Remuda tells in the same place."""
    running = facts.get("running")
    return replace(
        told,
        trained_context=_count(facts, "trained_context"),
        is_running=running if isinstance(running, bool) else None,
        size_vram_bytes=_count(facts, "size_vram"),
        expires_at=_text(facts, "expires_at"),
    )


def _as_tagged(entry: dict[str, Any]) -> Offer:
    return Offer(told=_told_in(entry))


def _told_in(entry: dict[str, Any]) -> Told:
    """What is told in Ollama's fields."""
    details = entry.get("details")
    return Told(
        size_bytes=_count(entry, "size"),
        digest=_text(entry, "digest"),
        modified_at=_text(entry, "modified_at"),
        format=_text(details, "format"),
        family=_text(details, "family"),
        families=_words(details, "families") or (),
        parameter_size=_text(details, "parameter_size"),
        quantization=_text(details, "quantization_level"),
        parent=_text(details, "parent_model"),
        capabilities=_words(entry, "capabilities"),
    )


def _as_running(entry: dict[str, Any]) -> Offer:
    told = Told(size_vram_bytes=_count(entry, "size_vram"), expires_at=_text(entry, "expires_at"))
    return Offer(_count(entry, "context_length"), told)


def _count(entry: Any, name: str) -> int | None:
    """A whole number above 0; servers write 0 for what they do not know."""
    value = entry.get(name) if isinstance(entry, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < MAX_COUNT else None


def _text(entry: Any, name: str) -> str:
    value = entry.get(name) if isinstance(entry, dict) else None
    return value if isinstance(value, str) and len(value) <= MAX_CHARS else ""


def _words(entry: Any, name: str) -> tuple[str, ...] | None:
    value = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(value, list):
        return None
    return tuple(word for word in value[:MAX_WORDS] if isinstance(word, str) and len(word) <= MAX_CHARS)
