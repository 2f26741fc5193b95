"""Settings that are allowed and yet hardly meant."""

from collections.abc import Iterator

from remuda.app.checks.finding import Finding, ok, warn
from remuda.app.local_models import transformers_models
from remuda.app.settings import Settings
from remuda.core.hosts import is_loopback
from remuda.engines import tiny
from remuda.engines.files import ModelFileError, offered_models

SHORT_KEY_CHARS = 16
"""Below this a key of the operator's own choice can be guessed."""


def check_origin(settings: Settings) -> Finding:
    """Which file the settings are from."""
    return ok("settings", str(settings.file) if settings.file else "no remuda.yaml: defaults, variables and options")


def check_rules(settings: Settings) -> list[Finding]:
    """What the operator should know before others do."""
    return [
        *_keys(settings),
        *_secret(settings),
        *_clear_text(settings),
        *_origins(settings),
        *_aliases(settings),
        *_policies(settings),
    ]


def _keys(settings: Settings) -> Iterator[Finding]:
    short = sum(len(key.get_secret_value()) < SHORT_KEY_CHARS for key in settings.auth.api_keys)
    if short:
        place = settings.origin("auth.api_keys")
        advice = "use longer ones, or make them with: remuda keys create"
        yield warn("keys", f"{short} in {place} shorter than {SHORT_KEY_CHARS} characters", advice)


def _secret(settings: Settings) -> Iterator[Finding]:
    if not settings.store_url.startswith("sqlite") and settings.auth.secret_key is None:
        advice = "set auth.secret_key, the same for all gateways on this store"
        yield warn(
            "keys", "other gateways on this Postgres could not open the keys of its nodes, nor take tokens", advice
        )


def _clear_text(settings: Settings) -> Iterator[Finding]:
    if not settings.server.is_local and settings.server.tls_cert is None and not settings.server.trusted_proxies:
        advice = "set server.tls_cert and server.tls_key, or put a proxy that speaks TLS in front"
        yield warn("tls", "others on the network reach the gateway without TLS: keys travel in clear", advice)
    for upstream in settings.upstreams:
        address = upstream.address
        if upstream.api_key and not address.is_tls and not address.socket_path and not is_loopback(address.host):
            yield warn("tls", f"the key of {upstream.display_name} travels in clear", "use https:// if it speaks it")


def _origins(settings: Settings) -> Iterator[Finding]:
    if "*" in settings.server.cors_origins:
        advice = "name the origins you trust in server.cors_origins"
        yield warn("cors", "every web page in a browser near the gateway may call it", advice)


def _aliases(settings: Settings) -> Iterator[Finding]:
    if not settings.models.aliases:
        return  # looking through folders takes time
    named = _named(settings)
    for alias, model in ((alias, model) for alias, models in settings.models.chains.items() for model in models):
        if named is not None and model not in named:
            advice = "correct models.aliases: requests for it would wait in vain"
            yield warn("alias", f"{alias} stands for {model}, which nothing in these settings offers", advice)


def _policies(settings: Settings) -> Iterator[Finding]:
    routing = settings.routing
    named = _named(settings) if routing.policies else None
    for model in routing.policies:
        if named is not None and model not in named:
            advice = "correct routing.policies"
            yield warn("policy", f"there is one for {model}, which nothing in these settings offers", advice)
    if "weighted" not in (routing.policy, *routing.policies.values()):
        for upstream in settings.upstreams:
            if upstream.weight != 1:
                advice = "set routing.policy to weighted, or leave the weight out"
                yield warn("policy", f"the weight of {upstream.display_name} changes nothing", advice)


def _named(settings: Settings) -> set[str] | None:
    """All models there can be; None where that is not known: an upstream whose models are not named may have any."""
    if not all(upstream.models for upstream in settings.upstreams):
        return None
    named = {name for upstream in settings.upstreams for name in upstream.models}
    if settings.offers_tiny_models:
        named |= {tiny.CHAT_NAME, tiny.EMBED_NAME}
    try:
        models = [*offered_models(settings.models.paths).models, *transformers_models(settings)]
    except ModelFileError:
        return None  # said of the files themselves
    return named | {model.name for model in models} or None  # where nothing is named, nodes are to come
