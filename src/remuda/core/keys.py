"""API keys: how they look, what is kept of them, and the ring they are looked up in."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from remuda.core.faults import ExpiredCredential, InvalidCredential

SECRET_PREFIX = "rmd_"
SECRET_BYTES = 20
"""160 random bits: above the 128 that make guessing hopeless, and 32 characters in base 32."""
DISPLAY_CHARS = 10
"""How much of a secret may be shown again: the prefix and six characters (30 bits) of it."""
MAX_WEIGHT = 100
MAX_SECRET_BYTES = 512
"""Longer credentials are refused unhashed: ours have 36 characters, JSON Web Tokens come to a few hundred."""

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class Scope(StrEnum):
    """What a key may do."""

    # Enum's own hash is written in Python, and scopes are looked up in every request.
    __hash__ = str.__hash__

    INFERENCE = "inference"
    READ = "read"
    MANAGE = "manage"
    ADMIN = "admin"
    """Everything."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a key, a user, or a local program where neither exists yet."""

    key_id: str
    """A user's is `user:` and the name. Empty for the keyless local caller."""
    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether this caller holds `scope`; admin holds all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


LOCAL_CALLER = Caller(key_id="", name="local", scopes=frozenset({Scope.ADMIN}))
"""A program on this machine while no key and no user exists."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of an API key. The secret itself is not."""

    id: str
    name: str
    digest: bytes
    """SHA-256 of the secret, 32 bytes."""
    prefix: str
    """The first characters of the secret, for people to tell keys apart."""
    scopes: frozenset[Scope]
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    weight: int = 1
    """How many turns it gets in a queue for one of another key, 1 to `MAX_WEIGHT`."""

    @property
    def caller(self) -> Caller:
        """The caller this key stands for."""
        return Caller(key_id=self.id, name=self.name, scopes=self.scopes)


def secret_from(random_bytes: bytes) -> str:
    """The secret made of `random_bytes` (at least 16): `rmd_` and base 32 in lower case, without padding."""
    if len(random_bytes) < 16:
        raise ValueError("a secret takes at least 16 random bytes")
    return SECRET_PREFIX + base32_of(random_bytes)


def base32_of(raw: bytes) -> str:
    """Base 32 in lower case, without padding."""
    bits = len(raw) * 8
    number = int.from_bytes(raw, "big") << (-bits % 5)
    digits = -(-bits // 5)
    return "".join(_BASE32[number >> 5 * place & 31] for place in reversed(range(digits)))


def digest_of(secret: bytes) -> bytes:
    """SHA-256 of a secret: what is stored, and what keys are looked up by."""
    return hashlib.sha256(secret).digest()


class KeyRing:
    """The usable keys by digest. Immutable: a change of keys makes a new ring."""

    __slots__ = ("_by_digest", "_met", "_weights")

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        usable = [key for key in keys if key.revoked_at is None]
        self._by_digest = {key.digest: (key.caller, key.expires_at) for key in usable}
        self._weights = {key.id: key.weight for key in usable if key.weight != 1}
        self._met: dict[bytes, tuple[Caller, float | None]] = {}
        """Secrets that have been shown and found right: not hashed again with each request. At most one per key, gone
        with the ring, never written anywhere."""

    def __len__(self) -> int:
        return len(self._by_digest)

    def caller_of(self, secret: bytes, now: float) -> Caller:
        """The caller that `secret` stands for at wall time `now`; raises InvalidCredential or ExpiredCredential.

        Looked up by hash, so the time taken tells nothing of the stored digests that a guesser could use.
        """
        found = self._met.get(secret)
        if found is None:
            if len(secret) > MAX_SECRET_BYTES:
                raise InvalidCredential
            found = self._by_digest.get(hashlib.sha256(secret).digest())
            if found is None:
                raise InvalidCredential
            self._met[secret] = found
        caller, expires_at = found
        if expires_at is not None and expires_at <= now:
            raise ExpiredCredential
        return caller

    def weight_of(self, key_id: str) -> int:
        """How many turns the key of this id gets for one of another; 1 for whoever has none of its own."""
        return self._weights.get(key_id, 1)

    def caller_by_id(self, key_id: str, now: float) -> Caller | None:
        """The caller that the key of this id stands for at wall time `now`; None where it is usable no more."""
        for caller, expires_at in self._by_digest.values():
            if caller.key_id == key_id:
                return caller if expires_at is None or expires_at > now else None
        return None
