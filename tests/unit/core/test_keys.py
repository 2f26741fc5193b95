"""Keys: how a secret is made, what a caller may do, and what the ring finds."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.faults import ExpiredCredential, InvalidCredential
from remuda.core.keys import MAX_SECRET_BYTES, SECRET_BYTES, Key, KeyRing, Scope, digest_of, secret_from

SECRET = secret_from(bytes(range(SECRET_BYTES)))


def key(**fields: object) -> Key:
    known = {"id": "key_1", "name": "one", "digest": digest_of(SECRET.encode()), "prefix": SECRET[:10]}
    return Key(**{**known, "scopes": frozenset({Scope.INFERENCE}), "created_at": 0.0, **fields})  # type: ignore[arg-type]


@given(st.binary(min_size=16, max_size=40), st.binary(min_size=16, max_size=40))
def test_a_secret_is_plain_and_tells_its_bytes_apart(one: bytes, other: bytes):
    secret = secret_from(one)
    assert secret.startswith("rmd_")
    assert secret.isascii()
    assert secret[4:].isalnum()
    assert secret == secret.lower()
    assert (secret == secret_from(other)) == (one == other)


def test_too_few_random_bytes_are_refused():
    with pytest.raises(ValueError, match="at least 16"):
        secret_from(b"short")


def test_the_digest_is_plain_sha256():
    assert digest_of(b"abc") == hashlib.sha256(b"abc").digest()


def test_admin_may_everything_others_what_they_hold():
    assert all(key(scopes=frozenset({Scope.ADMIN})).caller.may(scope) for scope in Scope)
    assert [scope for scope in Scope if key().caller.may(scope)] == [Scope.INFERENCE]


def test_the_ring_finds_the_caller_of_a_secret():
    caller = KeyRing([key()]).caller_of(SECRET.encode(), now=1.0)
    assert (caller.key_id, caller.name) == ("key_1", "one")


@pytest.mark.parametrize("secret", [b"", b"rmd_other", b"x" * (MAX_SECRET_BYTES + 1)])
def test_the_ring_refuses_what_it_does_not_know(secret: bytes):
    with pytest.raises(InvalidCredential):
        KeyRing([key()]).caller_of(secret, now=1.0)


def test_the_ring_knows_how_many_turns_a_key_gets():
    ring = KeyRing(
        [key(weight=4), key(id="key_2", digest=b"x"), key(id="key_3", digest=b"y", weight=9, revoked_at=0.5)]
    )
    assert [ring.weight_of(each) for each in ("key_1", "key_2", "key_3", "")] == [4, 1, 1, 1]


def test_a_revoked_key_is_as_if_it_had_never_been():
    ring = KeyRing([key(revoked_at=0.5)])
    assert not len(ring)
    with pytest.raises(InvalidCredential):
        ring.caller_of(SECRET.encode(), now=1.0)


def test_a_key_ends_at_the_moment_of_its_expiry():
    ring = KeyRing([key(expires_at=10.0)])
    assert ring.caller_of(SECRET.encode(), now=9.9).key_id == "key_1"
    with pytest.raises(ExpiredCredential):
        ring.caller_of(SECRET.encode(), now=10.0)


def test_a_secret_is_right_or_wrong_however_often_it_is_shown() -> None:
    key = Key("k", "n", digest_of(b"right"), "r", frozenset({Scope.READ}), 0.0, expires_at=10.0)
    ring = KeyRing([key])
    for _ in range(2):
        assert ring.caller_of(b"right", 9.0).key_id == "k"
        with pytest.raises(InvalidCredential):
            ring.caller_of(b"wrong", 9.0)
    with pytest.raises(ExpiredCredential):
        ring.caller_of(b"right", 10.0)
    with pytest.raises(InvalidCredential):
        KeyRing().caller_of(b"right", 9.0)
