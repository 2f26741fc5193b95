"""Users, and what is kept of their passwords."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remuda.core.keys import Scope
from remuda.core.users import (
    DEFAULT_COST,
    MAX_PASSWORD_BYTES,
    Cost,
    User,
    Users,
    check_name,
    check_password,
    first_password,
    fits,
    hashed,
)

SALT = bytes(range(16))
CHEAP = Cost(ln=4, r=1, p=1)


def user(password: str, cost: Cost = CHEAP, **changes: object) -> User:
    fields = {"name": "root", "scopes": frozenset({Scope.ADMIN}), "epoch": 1, "created_at": 0.0}
    return User(**{**fields, "password": hashed(password, SALT, cost), **changes})  # type: ignore[arg-type]


def test_what_is_kept_says_how_it_was_made():
    kept = hashed("correct horse", SALT, Cost(ln=5, r=8, p=2))
    scheme, cost, salt, digest = kept.split("$")[1:]
    assert (scheme, cost, salt) == ("scrypt", "ln=5,r=8,p=2", "AAECAwQFBgcICQoLDA0ODw")
    assert len(digest) == 43
    assert "correct" not in kept


def test_it_is_scrypt_as_others_have_it():
    # RFC 7914, 12: the third of its vectors, whose first half is what a length of 32 gives.
    kept = hashed("pleaseletmein", b"SodiumChloride", Cost(ln=14, r=8, p=1))
    assert fits("pleaseletmein", replace(user(""), password=kept))
    digest = base64.b64decode(kept.rpartition("$")[2] + "=")
    assert digest.hex() == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"


def test_only_the_password_fits():
    root = user("correct horse")
    assert fits("correct horse", root)
    for wrong in ("", "correct hors", "correct horse ", "Correct horse", "x" * 10_000, "\ud800"):
        assert not fits(wrong, root)


@settings(max_examples=20)
@given(st.text(min_size=1, max_size=60), st.text(max_size=60))
def test_any_text_may_be_a_password(one: str, other: str):
    assert fits(one, user(one))
    assert fits(other, user(one)) is (one == other)


def test_nobody_costs_what_somebody_does_and_never_fits():
    assert not fits("", None)
    assert not fits("anything", None)
    assert hashed("x", SALT).startswith(f"$scrypt$ln={DEFAULT_COST.ln},r={DEFAULT_COST.r},p={DEFAULT_COST.p}$")


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA",
        "$scrypt$ln=99,r=8,p=1$c2FsdA$aGFzaA",
        "$scrypt$ln=0,r=8,p=1$c2FsdA$aGFzaA",
        "$scrypt$ln=4,r=1,p=1$c$aGFzaA",
        "$scrypt$ln=4,r=1,p=1$c2FsdA$",
    ],
)
def test_a_hash_that_is_not_ours_fits_nothing_and_harms_nothing(kept: str):
    assert not fits("", replace(user(""), password=kept))
    assert not fits("anything", replace(user(""), password=kept))


def test_the_hash_is_not_shown_by_accident():
    assert user("secret!!").password not in repr(user("secret!!"))


@pytest.mark.parametrize("name", ["root", "a", "9", "ann.lee@example.org", "a_b-c+d", "x" * 64])
def test_names(name: str):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, ".a", "-a", "a b", "a:b", "a/b", "ä", "a\n", "root\x00"])
def test_what_is_no_name(name: str):
    with pytest.raises(ValueError, match="user's name is"):
        check_name(name)


@pytest.mark.parametrize(
    "password", ["", "short12", "x" * (MAX_PASSWORD_BYTES + 1), "ä" * 300, "tab\tinside", "\ud800" * 9]
)
def test_what_is_no_password_is_not_repeated(password: str):
    with pytest.raises(ValueError, match="a password has") as refused:
        check_password(password)
    assert not password or password not in str(refused.value)
    assert check_password("ein größeres") == "ein größeres"


def test_a_first_password_is_one():
    made = first_password(bytes(range(15)))
    assert len(made) == 24
    assert check_password(made) == made
    assert first_password(bytes(15)) != made


def test_users_are_found_by_their_name_alone():
    root = user("x")
    users = Users([root, user("y", name="ann")])
    assert len(users) == 2
    assert users.get("root") is root
    assert users.get("Root") is users.get("") is None
    assert root.caller.key_id == "user:root"
    assert root.caller.may(Scope.MANAGE)
