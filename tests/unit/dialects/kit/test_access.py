import pytest

from remuda.core.keys import Scope
from remuda.dialects.kit.access import BY_DEFAULT, LOG_IN, MANAGING, PUBLIC, WEBSOCKET, Access, Policy, Rule

INFERRING = Access(Scope.INFERENCE)
POLICY = Policy(
    (
        Rule("/livez", PUBLIC),
        Rule("/v1/*", INFERRING, methods=None),
        Rule("/v1/secrets/*", MANAGING, methods=None),
        Rule("/ws/logs", BY_DEFAULT, methods=frozenset({WEBSOCKET})),
    )
)


@pytest.mark.parametrize(
    ("method", "path", "access"),
    [
        ("GET", "/livez", PUBLIC),
        ("HEAD", "/livez", PUBLIC),
        ("POST", "/livez", MANAGING),
        ("GET", "/livez/more", BY_DEFAULT),
        ("GET", "/anything", BY_DEFAULT),
        ("HEAD", "/anything", BY_DEFAULT),
        ("DELETE", "/anything", MANAGING),
        ("QUERY", "/anything", MANAGING),
        (WEBSOCKET, "/anything", MANAGING),
        (WEBSOCKET, "/ws/logs", BY_DEFAULT),
        ("DELETE", "/v1/files/1", INFERRING),
        ("GET", "/v1/secrets/1", MANAGING),
        ("GET", "/v1", BY_DEFAULT),
        ("GET", "/v10/models", BY_DEFAULT),
    ],
)
def test_what_no_rule_opens_is_closed(method, path, access):
    assert POLICY.need(method, path) == access


@pytest.mark.parametrize("methods", [None, frozenset({"POST"}), frozenset({"GET", "POST"})])
def test_only_reading_may_be_public(methods):
    with pytest.raises(ValueError, match="only reading"):
        Rule("/open", PUBLIC, methods)


def test_logging_in_may_be_public_at_one_address():
    rule = Rule("/log-in", PUBLIC, LOG_IN, brings_credential=True)
    assert Policy([rule]).need("POST", "/log-in") is PUBLIC
    assert Policy([rule]).need("DELETE", "/log-in") is MANAGING
    for path, methods in (("/log-in/*", LOG_IN), ("/log-in", frozenset({"POST", "PUT"})), ("/log-in", None)):
        with pytest.raises(ValueError, match="logging in"):
            Rule(path, PUBLIC, methods, brings_credential=True)


def test_access_says_itself():
    assert [str(access) for access in (PUBLIC, MANAGING, Access(Scope.READ, also=Scope.INFERENCE))] == [
        "public",
        "manage",
        "read or inference",
    ]
