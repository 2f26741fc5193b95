"""What the account routes take and answer."""

import msgspec


class LoginAsk(msgspec.Struct):
    """`POST /api/account/login`. Each of the two has another name that does as well."""

    username: str | None = None
    account: str | None = None
    password: str | None = None
    passwd: str | None = None


class TokenPair(msgspec.Struct):
    """What a log-in answers."""

    access: str
    """Sent as `Authorization: Bearer`; a credential for minutes."""
    refresh: str
    """Gets another access token from `POST /api/account/refresh`."""


class RefreshAsk(msgspec.Struct):
    """`POST /api/account/refresh`."""

    refresh: str | None = None


class AccessToken(msgspec.Struct):
    """What that answers."""

    access: str
