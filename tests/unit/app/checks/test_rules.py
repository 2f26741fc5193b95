"""Settings that are allowed and yet hardly meant."""

from typing import Any

import pytest

from remuda.app.checks.rules import check_rules
from remuda.app.settings import Settings
from remuda.engines import tiny


def said(**values: Any) -> list[str]:
    return [finding.message for finding in check_rules(Settings(**values))]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"auth": {"api_keys": ["0123456789abcdef"]}},
        {"server": {"host": "0.0.0.0", "tls_cert": "c", "tls_key": "k"}},
        {"server": {"host": "0.0.0.0", "trusted_proxies": ["10.0.0.1"]}},
        {"server": {"cors_origins": ["https://app.example.org"]}},
        {"upstreams": [{"url": "http://127.0.0.1", "api_key": "k"}, {"url": "https://h", "api_key": "k"}]},
        {"database_url": "sqlite:///x.db"},
        {"database_url": "postgresql://h/d", "auth": {"secret_key": "0123456789abcdef"}},
        {"upstreams": [{"url": "unix:/run/x", "api_key": "k"}, {"url": "http://h"}]},
    ],
)
def test_nothing_to_say(values: dict[str, Any]) -> None:
    assert said(**values) == []


def test_what_the_operator_should_know() -> None:
    assert said(
        server={"host": "0.0.0.0", "cors_origins": ["*"]},
        auth={"api_keys": ["short"]},
        upstreams=[{"url": "http://h", "api_key": "k"}],
    ) == [
        "1 in default shorter than 16 characters",
        "others on the network reach the gateway without TLS: keys travel in clear",
        "the key of h:80 travels in clear",
        "every web page in a browser near the gateway may call it",
    ]


def test_an_alias_that_nothing_can_answer() -> None:
    assert said(models={"aliases": {"short": "remuda-tiny", "gone": "big"}}) == [
        "gone stands for big, which nothing in these settings offers"
    ]
    aliases = {"aliases": {"short": "big"}}
    assert said(models=aliases, upstreams=[{"url": "http://h", "models": ["small"]}]) != []
    assert said(models=aliases, upstreams=[{"url": "http://h", "models": ["big"]}]) == []
    assert said(models=aliases, upstreams=[{"url": "http://h"}]) == [], "it may list it"
    assert said(models={**aliases, "paths": ["/nowhere.gguf"]}) == [], "that is said of the file"
    assert said(models={"aliases": {"short": "remuda-tiny"}, "paths": [tiny.EMBED]}) != [], (
        "not with models of one's own"
    )


def test_a_policy_for_what_nothing_offers() -> None:
    routing = {"policies": {"remuda-tiny": "round_robin", "gone": "weighted"}}
    assert said(routing=routing) == ["there is one for gone, which nothing in these settings offers"]
    assert said(routing=routing, upstreams=[{"url": "http://h"}]) == [], "it may list it"


def test_a_weight_that_changes_nothing() -> None:
    upstreams = [{"url": "http://h", "weight": 2}, {"url": "http://i"}]
    assert said(upstreams=upstreams) == ["the weight of h:80 changes nothing"]
    assert said(upstreams=upstreams, routing={"policy": "weighted"}) == []
    assert said(upstreams=upstreams, routing={"policies": {"m": "weighted"}}) == []


def test_a_shared_store_without_a_shared_secret() -> None:
    assert said(database_url="postgresql://h/d") == [
        "other gateways on this Postgres could not open the keys of its nodes, nor take tokens"
    ]
