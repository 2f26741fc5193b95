"""Tokens that users get for their password: JSON Web Tokens (RFC 7519), signed with HMAC-SHA256.

An *access* token is a credential like a key, for minutes; a *refresh* token gets another access token, for a day. Both
name the epoch of the password they were given for, so a user who is removed or gets another password has none any
more, and the session that began with the log-in: where that was ended, so were they. Nothing is kept of a token.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from remuda.core.faults import InvalidToken
from remuda.core.ids import Ids
from remuda.core.keys import Caller
from remuda.core.users import Session, User, Users

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


class Pair(NamedTuple):
    """What a log-in gives."""

    access: str
    refresh: str


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
        self._ended: frozenset[str] = frozenset()

    @property
    def users(self) -> Users:
        """The users there are; replaced whole when they change."""
        return self._users

    @users.setter
    def users(self, users: Users) -> None:
        self._users = users
        self._met = {}

    @property
    def ended(self) -> frozenset[str]:
        """The ids of sessions whose tokens are no good any more; replaced whole."""
        return self._ended

    @ended.setter
    def ended(self, ended: frozenset[str]) -> None:
        self._ended = ended
        self._met = {}

    def pair(self, user: User) -> Pair:
        """Tokens of a new session of this user."""
        session = self._ids()
        return Pair(self._made(user, ACCESS, session), self._made(user, REFRESH, session))

    def renewed(self, refresh: str) -> str:
        """An access token of the same session for a refresh token; raises InvalidToken."""
        user, claims = self._read(refresh.encode(errors="replace"), REFRESH)
        return self._made(user, ACCESS, claims["sid"])

    def session_of(self, token: bytes) -> Session:
        """The session of either kind of token, also of one that has run out; raises InvalidToken where it is none, or
        its session was ended."""
        user, claims = self._claims(token)
        # One that is renewed at the last moment outlasts the refresh token.
        ends_at = max(claims["exp"], self._wall() + self.refresh_s) + self.access_s
        return Session(claims["sid"], user.name, ends_at)

    def caller_of(self, access: bytes) -> Caller:
        """The caller that an access token stands for; raises InvalidToken."""
        found = self._met.get(access)
        if found is None:
            user, claims = self._read(access, ACCESS)
            if len(self._met) >= REMEMBERED:
                del self._met[next(iter(self._met))]
            self._met[access] = found = user.caller, float(claims["exp"])
        elif found[1] <= self._wall():
            del self._met[access]
            raise InvalidToken
        return found[0]

    def _made(self, user: User, kind: str, session: str) -> str:
        import jwt

        now = int(self._wall())
        claims = {
            "sub": user.name,
            "scopes": sorted(user.scopes),
            "type": kind,
            "sid": session,
            "jti": self._ids(),
            "iat": now,
            "exp": now + int(self.access_s if kind == ACCESS else self.refresh_s),
            "ver": user.epoch,
        }
        return jwt.encode(claims, self._secret(), algorithm=ALGORITHM)

    def _read(self, token: bytes, kind: str) -> tuple[User, dict[str, Any]]:
        """Whose it is, and what it says."""
        user, claims = self._claims(token)
        if claims.get("type") != kind or claims["exp"] <= self._wall():
            raise InvalidToken
        return user, claims

    def _claims(self, token: bytes) -> tuple[User, dict[str, Any]]:
        """Whose it is, and what it says; of either kind, and whether it has run out or not."""
        if len(token) > MAX_TOKEN_BYTES or not len(self._users):
            raise InvalidToken
        claims = self._verified(token)
        name, session = claims.get("sub"), claims.get("sid")
        user = self._users.get(name) if isinstance(name, str) else None
        if (
            user is None
            or claims.get("ver") != user.epoch
            or not isinstance(claims.get("exp"), int)
            or not isinstance(session, str)
            or session in self._ended
        ):
            raise InvalidToken
        return user, claims

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
