"""What the account routes take and answer."""

import msgspec


class LoginAsk(msgspec.Struct):
    """`POST /api/account/login`. Each of the two has another name that does as well."""

    username: str | None = None
    account: str | None = None
    password: str | None = None
    passwd: str | None = None
    cookie: bool = False
    """The tokens are for a browser to keep, in cookies that its pages cannot read."""


class TokenPair(msgspec.Struct):
    """What a log-in answers."""

    access: str
    """Sent as `Authorization: Bearer`; a credential for minutes."""
    refresh: str
    """Gets another access token from `POST /api/account/refresh`."""


class Session(msgspec.Struct):
    """What is answered where the tokens stand in cookies."""

    expires_in: int
    """Seconds after which `POST /api/account/refresh` is to be asked."""


class RefreshAsk(msgspec.Struct):
    """`POST /api/account/refresh`, where the cookie counts if nothing is said, and `POST /api/account/logout`."""

    refresh: str | None = None


class AccessToken(msgspec.Struct):
    """What that answers."""

    access: str
