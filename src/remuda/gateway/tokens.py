"""Tokens that users get for their password: JSON Web Tokens (RFC 7519), signed with HMAC-SHA256.

An *access* token is a credential like a key, for minutes; a *refresh* token gets another access token, for a day. Both
name the epoch of the password they were given for, so a user who is removed or gets another password has none any
more. Nothing is kept of a token.
"""

from collections.abc import Callable
from typing import Any, Final

from remuda.core.faults import InvalidToken
from remuda.core.ids import Ids
from remuda.core.keys import Caller
from remuda.core.users import User, Users

ALGORITHM: Final = "HS256"
ACCESS: Final = "access"
REFRESH: Final = "refresh"
MAX_TOKEN_BYTES: Final = 2048
"""Ours have at most half of that; longer ones are refused unread."""
REMEMBERED: Final = 1024
"""Access tokens that were found right and are not verified again while they last."""
_BEGINS: Final = b"eyJ"
"""`{"` in base 64: every token's header is a JSON object."""
# The clock is ours, and what the claims must be is checked below.
_OPTIONS: Final = {
    f"verify_{claim}": claim == "signature" for claim in ("signature", "exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}


def looks_like_token(credential: bytes) -> bool:
    """Whether `credential` has a token's shape, which no key of ours has."""
    return credential[:3] == _BEGINS and credential.count(b".") == 2


class Tokens:
    """Makes tokens and tells whose they are."""

    def __init__(
        self,
        signing_key: Callable[[], bytes],
        wall: Callable[[], float],
        ids: Ids,
        *,
        access_s: float = 300.0,
        refresh_s: float = 86_400.0,
    ) -> None:
        self._signing_key = signing_key
        """Asked once, when a token is first made or read: 32 random bytes."""
        self._key: bytes | None = None
        self._wall = wall
        self._ids = ids
        self.access_s, self.refresh_s = access_s, refresh_s
        self._met: dict[bytes, tuple[Caller, float]] = {}
        self._users = Users()

    @property
    def users(self) -> Users:
        """The users there are; replaced whole when they change."""
        return self._users

    @users.setter
    def users(self, users: Users) -> None:
        self._users = users
        self._met = {}

    def access(self, user: User) -> str:
        """A token that is a credential of this user."""
        return self._made(user, ACCESS)

    def refresh(self, user: User) -> str:
        """A token that gets access tokens."""
        return self._made(user, REFRESH)

    def renewed(self, refresh: str) -> str:
        """An access token for a refresh token; raises InvalidToken."""
        user, _ = self._read(refresh.encode(errors="replace"), REFRESH)
        return self._made(user, ACCESS)

    def caller_of(self, access: bytes) -> Caller:
        """The caller that an access token stands for; raises InvalidToken."""
        found = self._met.get(access)
        if found is None:
            user, ends_at = self._read(access, ACCESS)
            if len(self._met) >= REMEMBERED:
                del self._met[next(iter(self._met))]
            self._met[access] = found = user.caller, ends_at
        elif found[1] <= self._wall():
            del self._met[access]
            raise InvalidToken
        return found[0]

    def _made(self, user: User, kind: str) -> str:
        import jwt

        now = int(self._wall())
        claims = {
            "sub": user.name,
            "scopes": sorted(user.scopes),
            "type": kind,
            "jti": self._ids(),
            "iat": now,
            "exp": now + int(self.access_s if kind == ACCESS else self.refresh_s),
            "ver": user.epoch,
        }
        return jwt.encode(claims, self._secret(), algorithm=ALGORITHM)

    def _read(self, token: bytes, kind: str) -> tuple[User, float]:
        """Whose it is, and until when."""
        if len(token) > MAX_TOKEN_BYTES or not len(self._users):
            raise InvalidToken
        claims = self._verified(token)
        name, ends_at = claims.get("sub"), claims.get("exp")
        user = self._users.get(name) if isinstance(name, str) else None
        if (
            user is None
            or claims.get("type") != kind
            or claims.get("ver") != user.epoch
            or not isinstance(ends_at, int)
            or ends_at <= self._wall()
        ):
            raise InvalidToken
        return user, float(ends_at)

    def _verified(self, token: bytes) -> dict[str, Any]:
        import jwt

        try:
            return jwt.decode(token, self._secret(), algorithms=[ALGORITHM], options=_OPTIONS)  # type: ignore[arg-type]
        except (jwt.PyJWTError, ValueError, RecursionError):  # the library lets some of json's own errors through
            raise InvalidToken from None

    def _secret(self) -> bytes:
        if self._key is None:
            self._key = self._signing_key()
        return self._key
