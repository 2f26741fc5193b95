"""Users: people who log in with a name and a password, and what is kept of them."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from remuda.core.keys import Caller, Scope, base32_of

MAX_NAME_CHARS: Final = 64
MIN_PASSWORD_CHARS: Final = 8
MAX_PASSWORD_BYTES: Final = 512
"""As UTF-8. What is longer is no password of anybody, and is not hashed."""
SALT_BYTES: Final = 16
FIRST_PASSWORD_BYTES: Final = 15
"""120 random bits, 24 characters: can be typed, cannot be guessed."""
KEY_ID_PREFIX: Final = "user:"
"""What tells users from keys where a caller's id stands: in the journal, in logs."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*")
_KEPT: Final = re.compile(
    r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{1,64})\$([A-Za-z0-9+/]{1,128})"
)
_HASH_BYTES: Final = 32


class Cost(NamedTuple):
    """What one guess at a password costs: 128 · r · 2^ln bytes of memory, p times over."""

    ln: int = 15
    r: int = 8
    p: int = 3
    """32 MiB, about a third of a second: one of the settings that OWASP's Password Storage Cheat Sheet names."""

    @property
    def memory_bytes(self) -> int:
        """What scrypt may take, with room for its own."""
        return 128 * self.r * ((1 << self.ln) + self.p + 32)


DEFAULT_COST: Final = Cost()
_MAX_COST: Final = Cost(ln=18, r=8, p=16)
"""Beyond this a kept hash is not ours, and is not tried."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in. The password itself is not kept."""

    name: str
    password: str = field(repr=False)
    """Its hash, with how it was made: `$scrypt$ln=15,r=8,p=3$salt$hash`, both in base 64 without padding."""
    scopes: frozenset[Scope]
    epoch: int
    """A number of its own for each password of each user, never used again: tokens with another one are no good."""
    created_at: float
    last_login_at: float | None = None

    @property
    def caller(self) -> Caller:
        """The caller this user is once logged in."""
        return Caller(key_id=KEY_ID_PREFIX + self.name, name=self.name, scopes=self.scopes)


class Session(NamedTuple):
    """All the tokens that came of one log-in."""

    id: str
    user: str
    """Whose it is, by name."""
    ends_at: float
    """When the last of them has run out, wall clock."""


class Users:
    """The users by name. Immutable: a change of users makes a new one."""

    __slots__ = ("_by_name",)

    def __init__(self, users: Iterable[User] = ()) -> None:
        self._by_name = {user.name: user for user in users}

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> User | None:
        """The user of that name, written exactly so; None where there is none."""
        return self._by_name.get(name)


def check_name(name: str) -> str:
    """`name`, if a user may be called so; raises ValueError with a sentence."""
    if len(name) > MAX_NAME_CHARS or not _NAME.fullmatch(name):
        raise ValueError(
            f"a user's name is 1 to {MAX_NAME_CHARS} letters, digits and . _ @ + -, beginning with a letter or a digit"
        )
    return name


def check_password(password: str) -> str:
    """`password`, if it may be one; raises ValueError with a sentence that does not repeat it."""
    if len(password) < MIN_PASSWORD_CHARS or len(_bytes_of(password)) > MAX_PASSWORD_BYTES:
        raise ValueError(
            f"a password has at least {MIN_PASSWORD_CHARS} characters and at most {MAX_PASSWORD_BYTES} bytes"
        )
    if not password.isprintable():
        raise ValueError("a password has printable characters only")
    return password


def first_password(random_bytes: bytes) -> str:
    """The password made of `random_bytes`: base 32 in lower case."""
    return base32_of(random_bytes)


def hashed(password: str, salt: bytes, cost: Cost = DEFAULT_COST) -> str:
    """What is kept of `password`. Takes a third of a second at the default cost."""
    return f"$scrypt$ln={cost.ln},r={cost.r},p={cost.p}${_b64(salt)}${_b64(_scrypt(_bytes_of(password), salt, cost))}"


def fits(password: str, user: User | None) -> bool:
    """Whether `password` is the user's. For nobody it takes as long as for somebody, and is False."""
    given = _bytes_of(password)
    is_sane = len(given) <= MAX_PASSWORD_BYTES
    cost, salt, kept = _parsed(user.password) if user is not None else _NOBODY
    made = _scrypt(given if is_sane else b"", salt, cost)
    return hmac.compare_digest(made, kept) and is_sane and user is not None


def _parsed(kept: str) -> tuple[Cost, bytes, bytes]:
    found = _KEPT.fullmatch(kept)
    if found is None:
        return _NOBODY
    cost = Cost(*(int(found[place]) for place in (1, 2, 3)))
    if not all(1 <= each <= most for each, most in zip(cost, _MAX_COST, strict=True)):
        return _NOBODY
    try:
        return cost, _unb64(found[4]), _unb64(found[5])
    except binascii.Error:
        return _NOBODY


def _scrypt(password: bytes, salt: bytes, cost: Cost) -> bytes:
    return hashlib.scrypt(
        password, salt=salt, n=1 << cost.ln, r=cost.r, p=cost.p, maxmem=cost.memory_bytes, dklen=_HASH_BYTES
    )


def _bytes_of(password: str) -> bytes:
    return password.encode(errors="surrogatepass")  # JSON may hold halves of characters; they are no error here


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


_NOBODY: Final = (DEFAULT_COST, bytes(SALT_BYTES), bytes(_HASH_BYTES))
"""Work like anybody's, against a hash that no password is known to have."""
