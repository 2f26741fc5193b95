"""Tokens: whose they are, how long, and what is none."""

import base64
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.faults import InvalidToken
from remuda.core.keys import Scope
from remuda.core.users import User, Users
from remuda.gateway.tokens import ACCESS, ALGORITHM, MAX_TOKEN_BYTES, REFRESH, REMEMBERED, Tokens, looks_like_token
from remuda.testing.clock import FakeClock
from tests.fixtures.asgi import SIGNING_KEY, count_up

ROOT = User("root", "a hash", frozenset({Scope.ADMIN, Scope.READ}), 7, 0.0)
ANN = User("ann", "a hash", frozenset({Scope.INFERENCE}), 8, 0.0)
NOW = 1_700_000_000


def tokens(*users: User, clock: FakeClock | None = None, key: bytes = SIGNING_KEY) -> Tokens:
    made = Tokens(lambda: key, (clock or FakeClock()).wall, count_up())
    made.users = Users(users or (ROOT, ANN))
    return made


def forged(key: bytes = SIGNING_KEY, algorithm: str = ALGORITHM, **changes: object) -> bytes:
    claims = {"sub": "root", "type": ACCESS, "ver": 7, "sid": "s", "exp": NOW + 60} | changes
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm).encode()


def test_an_access_token_stands_for_its_user():
    made = tokens()
    access = made.pair(ROOT).access
    assert looks_like_token(access.encode())
    assert made.caller_of(access.encode()) == ROOT.caller
    assert made.caller_of(access.encode()) == ROOT.caller, "known by now"
    assert made.caller_of(made.pair(ANN).access.encode()).key_id == "user:ann"


def test_what_stands_in_one():
    claims = jwt.decode(tokens().pair(ROOT).access, options={"verify_signature": False})
    assert claims == {
        "sub": "root",
        "scopes": ["admin", "read"],
        "type": "access",
        "sid": "1",
        "jti": "2",
        "iat": NOW,
        "exp": NOW + 300,
        "ver": 7,
    }
    assert jwt.decode(tokens().pair(ROOT).refresh, options={"verify_signature": False})["exp"] == NOW + 86_400


def test_a_refresh_token_gets_access_and_is_none():
    made = tokens()
    refresh = made.pair(ANN).refresh
    assert made.caller_of(made.renewed(refresh).encode()) == ANN.caller
    with pytest.raises(InvalidToken):
        made.caller_of(refresh.encode())
    with pytest.raises(InvalidToken):
        made.renewed(made.pair(ANN).access)


def test_they_end():
    clock = FakeClock()
    made = tokens(clock=clock)
    known, unknown, refresh = made.pair(ROOT).access.encode(), made.pair(ROOT).access.encode(), made.pair(ROOT).refresh
    made.caller_of(known)
    clock.step_wall(299)
    made.caller_of(known)
    clock.step_wall(1)
    for each in (known, unknown, known):
        with pytest.raises(InvalidToken):
            made.caller_of(each)
    assert made.renewed(refresh)
    clock.step_wall(86_100)
    with pytest.raises(InvalidToken):
        made.renewed(refresh)


@pytest.mark.parametrize(
    "users", [[], [ANN], [User("root", "a hash", ROOT.scopes, 9, 0.0)]], ids=["none", "gone", "new"]
)
def test_they_end_with_the_user_and_the_password(users: list[User]):
    made = tokens()
    access, refresh = made.pair(ROOT).access, made.pair(ROOT).refresh
    made.caller_of(access.encode())
    made.users = Users(users)
    with pytest.raises(InvalidToken):
        made.caller_of(access.encode())
    with pytest.raises(InvalidToken):
        made.renewed(refresh)


def test_they_end_with_their_session():
    made = tokens()
    one, other = made.pair(ROOT), made.pair(ROOT)
    renewed = made.renewed(one.refresh)
    for access in (one.access, renewed):
        assert made.caller_of(access.encode()) == ROOT.caller
    session = made.session_of(one.access.encode())
    assert made.session_of(renewed.encode()).id == made.session_of(one.refresh.encode()).id == session.id
    made.ended = frozenset({session.id})
    for access in (one.access, renewed):
        with pytest.raises(InvalidToken):
            made.caller_of(access.encode())
    with pytest.raises(InvalidToken):
        made.renewed(one.refresh)
    with pytest.raises(InvalidToken):
        made.session_of(one.refresh.encode())
    assert made.caller_of(made.renewed(other.refresh).encode()) == ROOT.caller, "others go on"


def test_a_session_can_be_told_by_what_has_run_out_and_lasts_as_long_as_its_last_token_could():
    clock = FakeClock()
    made = tokens(clock=clock)
    pair = made.pair(ROOT)
    first = made.session_of(pair.access.encode())
    assert (first.user, first.ends_at) == ("root", NOW + 86_400 + 300)
    clock.step_wall(300)
    assert made.session_of(pair.access.encode()) == first._replace(ends_at=NOW + 300 + 86_400 + 300)
    made.refresh_s = 1.0
    assert made.session_of(pair.refresh.encode()) == first, "settings that were changed meanwhile"


def test_another_gateway_with_the_same_key_takes_them():
    access = tokens().pair(ROOT).access.encode()
    assert tokens().caller_of(access) == ROOT.caller
    with pytest.raises(InvalidToken):
        tokens(key=b"another key of thirty-two bytes.").caller_of(access)


def unsigned() -> bytes:
    parts = ({"alg": "none", "typ": "JWT"}, {"sub": "root", "type": ACCESS, "ver": 7, "sid": "s", "exp": NOW + 60})
    return b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts) + b"."


@pytest.mark.parametrize(
    "token",
    [
        forged(key=b"another key of thirty-two bytes."),
        forged(key=SIGNING_KEY * 2, algorithm="HS512"),
        unsigned(),
        forged(type=None),
        forged(type=REFRESH),
        forged(sub=None),
        forged(sub="Root"),
        forged(sub=7),
        forged(ver=None),
        forged(ver="7"),
        forged(sid=None),
        forged(sid=7),
        forged(exp=None),
        forged(exp="never"),
        forged(exp=float("inf")),
        forged(exp=NOW),
        forged(exp=-1),
        forged()[:-1],
        forged() + b"x",
        forged() + b"=" * MAX_TOKEN_BYTES,
        b"eyJ..",
        b"eyJ\xff.\xfe.\xfd",
        b"",
    ],
)
def test_what_is_no_token(token: bytes):
    assert tokens().caller_of(forged()) == ROOT.caller, "this is one"
    with pytest.raises(InvalidToken):
        tokens().caller_of(token)


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=60))
def test_nothing_that_is_sent_breaks_anything(head: bytes, body: bytes, signature: bytes):
    encoded = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"' + head, body, signature))
    for sent in (encoded, b"eyJ" + head + b"." + body + b"." + signature):
        with pytest.raises(InvalidToken):
            tokens().caller_of(sent)
    with pytest.raises(InvalidToken):
        tokens().renewed("\ud800" + head.decode("latin-1"))


def test_deep_nesting_breaks_nothing():
    nested = base64.urlsafe_b64encode(b'{"a":' + b"[" * 900).rstrip(b"=")
    with pytest.raises(InvalidToken):
        tokens().caller_of(nested + b".e30.e30")


def test_memory_is_bounded():
    made = tokens()
    for _ in range(REMEMBERED + 10):
        made.caller_of(made.pair(ROOT).access.encode())
    assert len(made._met) == REMEMBERED


def test_the_key_is_asked_for_once_and_only_where_there_are_users():
    asked: list[int] = []

    def key() -> bytes:
        asked.append(1)
        return SIGNING_KEY

    made = Tokens(key, FakeClock().wall, count_up())
    with pytest.raises(InvalidToken):
        made.caller_of(forged())
    assert not asked
    made.users = Users([ROOT])
    made.caller_of(made.pair(ROOT).access.encode())
    assert asked == [1]


@pytest.mark.parametrize("credential", [b"rmd_abc", b"eyJ.a", b"eyJ.a.b.c", b"a.b.c", b""])
def test_keys_do_not_look_like_one(credential: bytes):
    assert not looks_like_token(credential)
