"""Kinds of setting: what a value may look like in the file and in the environment, and what becomes of it.

Values from YAML must have the right type, so that `port: "7368"` or `port: yes` is an error. Text from the
environment (and what `${NAME}` put in place) has no type of its own: it arrives as `Text` and may be read as a number.
"""

import re
import shutil
from datetime import time
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema

from remuda.core.address import parse_address
from remuda.core.hosts import parse_bind, parse_host
from remuda.core.node import NodeKind

_SIZE = re.compile(r"(\d{1,15}) ?(B|KiB|MiB|GiB)?")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_UNITS = {None: 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


class Text(str):
    """Text that knows where it stands."""

    __slots__ = ("folder", "is_untyped")

    folder: Path
    """What a relative path in it is relative to."""
    is_untyped: bool
    """It came from the environment, in whole or in part, and may stand for a number."""

    def __new__(cls, text: str, folder: Path, *, is_untyped: bool = False) -> "Text":
        self = super().__new__(cls, text)
        self.folder = folder
        self.is_untyped = is_untyped
        return self


def _is_untyped(value: Any) -> bool:
    return isinstance(value, Text) and value.is_untyped


def _whole(value: Any) -> Any:
    if _is_untyped(value):
        try:
            return int(value)
        except ValueError:
            pass
    if type(value) is not int:
        raise ValueError(f"needs a whole number, not {_shown(value)}")
    return value


def _time_of_day(value: Any) -> Any:
    if type(value) is int and 0 <= value < 24 * 60:
        return time(*divmod(value, 60))  # YAML 1.1 reads 22:00 without quotes as a number to the base 60
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"needs a time of the day such as 22:00, not {_shown(value)}")
    return time(int(found[1]), int(found[2]))


def _seconds(value: Any) -> Any:
    if _is_untyped(value):
        try:
            return float(value)
        except ValueError:
            pass
    if type(value) not in (int, float):
        raise ValueError(f"needs a number of seconds, not {_shown(value)}")
    return value


def _number(value: Any) -> Any:
    if _is_untyped(value):
        try:
            return float(value)
        except ValueError:
            pass
    if type(value) not in (int, float):
        raise ValueError(f"needs a number, not {_shown(value)}")
    return value


def _flag(value: Any) -> Any:
    if _is_untyped(value) and value.lower() in ("true", "false", "1", "0"):
        return value.lower() in ("true", "1")
    if type(value) is not bool:
        raise ValueError(f"needs true or false, not {_shown(value)}")
    return value


def _size(value: Any) -> Any:
    if isinstance(value, str):
        found = _SIZE.fullmatch(value)
        if found and (found[2] or _is_untyped(value)):
            return int(found[1]) * _UNITS[found[2]]
    if type(value) is not int:
        raise ValueError(f"needs a number of bytes, or a size such as 32MiB, not {_shown(value)}")
    return value


def _path(value: Any) -> Any:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str):
        raise ValueError(f"needs a path, not {_shown(value)}")
    if not value:
        raise ValueError("needs a path, not an empty text")
    if "\0" in value:
        raise ValueError("a path holds no null character")
    path = Path(value).expanduser()
    return value.folder / path if isinstance(value, Text) else path


def _model_place(value: Any) -> Any:
    """A folder, made absolute, or a name of the hub as it is: a folder that is there, or that is written as one."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"needs a folder or a model's name, not {_shown(value)}")
    path = _path(value).absolute()
    if value.startswith(("/", ".", "~", "\\")) or path.is_dir() or path.anchor == Path(value).anchor:
        return str(path)
    if not _HUB_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is neither a folder nor a name of the hub, such as gpt2 or org/name")
    return str(value)


def _program(value: Any) -> Any:
    if isinstance(value, str) and Path(value).name == value and (found := shutil.which(value)):
        return Path(found)
    return _path(value)


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"needs a text, not {_shown(value)}")
    return str(value)


def _shown(value: Any) -> str:
    """What was found instead, in words; the text itself only where it is short, and never that of a secret's kind."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{value}".lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {str(value)!r}" if len(value) <= 40 else "a long text"
    return "a list" if isinstance(value, list | tuple) else "a section"


def _secret(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str):
        raise ValueError("needs a text: put digits in quotes")
    return str(value)


def _sendable(value: SecretStr) -> SecretStr:
    secret = value.get_secret_value()
    if not secret or len(secret) > 512 or not all("!" <= character <= "~" for character in secret):
        raise ValueError("a key is 1 to 512 printable ASCII characters without spaces")
    return value


def _network(value: Any) -> Any:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(_text(value), strict=False)
    except ValueError:
        raise ValueError(f"needs an address or a network such as 10.0.0.0/8, not {_shown(value)}") from None


def _networks(value: Any) -> Any:
    if isinstance(value, bool):
        return ("0.0.0.0/0", "::/0") if value else ()
    if not isinstance(value, list | tuple):
        raise ValueError(f"needs a list of networks, or true for all, not {_shown(value)}")
    return value


def _bind(value: str) -> str:
    return str(parse_bind(value))


def _url(value: str) -> str:
    parse_address(value)
    return value


def _database_url(value: SecretStr) -> SecretStr:
    scheme = value.get_secret_value().partition(":")[0].partition("+")[0]
    if scheme not in ("sqlite", "postgresql", "postgres"):
        raise ValueError("needs sqlite:///file or postgresql://user:password@host/database")
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    if value.get_secret_value().partition("://")[0] not in ("redis", "rediss", "unix"):
        raise ValueError("needs redis://:password@host:6379/0, rediss:// or unix:///path")
    return value


def _origin(value: str) -> str:
    if value == "*":
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or value != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(f"{value!r} is no origin: write https://host or http://host:port without a path, or *")
    return value.lower()


def _name(value: str) -> str:
    if not value or len(value) > 200 or not value.isprintable() or value != value.strip():
        raise ValueError("a name is 1 to 200 printable characters without spaces around them")
    return value


def _header_name(value: str) -> str:
    if not _HEADER_NAME.fullmatch(value):
        raise ValueError("a header's name is 1 to 100 letters, digits and hyphens")
    return value


def _schema(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema(schema)


Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number."""
Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=31_536_000, allow_inf_nan=False)]
"""A time in seconds, at most a year."""
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
"""Any number."""
TimeOfDay = Annotated[
    time,
    BeforeValidator(_time_of_day),
    _schema(
        anyOf=[{"type": "string", "pattern": r"^\d{1,2}:\d{2}$"}, {"type": "integer", "minimum": 0, "maximum": 1439}]
    ),
]
"""Such as `22:00`."""
Flag = Annotated[bool, BeforeValidator(_flag)]
"""true or false."""
Size = Annotated[
    int,
    BeforeValidator(_size),
    Field(ge=0),
    _schema(anyOf=[{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\d+ ?(B|KiB|MiB|GiB)$"}]),
]
"""Bytes: a whole number, or a text such as `32MiB`."""
ModelPlace = Annotated[str, BeforeValidator(_model_place)]
"""A model in transformers' format: its folder (absolute), or its name on the Hugging Face hub."""
Location = Annotated[Path, BeforeValidator(_path)]
"""A file or folder. `~` is the home folder; relative to the file the value stands in, else to the working folder."""
Program = Annotated[Path, BeforeValidator(_program)]
"""A program: a name on PATH, or its location."""
Word = Annotated[str, BeforeValidator(_text)]
"""Any text."""
Name = Annotated[str, BeforeValidator(_text), AfterValidator(_name)]
"""A name people see."""
HeaderName = Annotated[str, BeforeValidator(_text), AfterValidator(_header_name)]
"""The name of an HTTP header."""
Secret = Annotated[SecretStr, BeforeValidator(_secret), AfterValidator(_sendable)]
"""A key: never shown, never logged."""
DatabaseUrl = Annotated[SecretStr, BeforeValidator(_secret), AfterValidator(_database_url)]
"""Where the store is; secret, since it may hold a password."""
RedisUrl = Annotated[SecretStr, BeforeValidator(_secret), AfterValidator(_redis_url)]
"""Where Redis is; secret, since it may hold a password."""
Host = Annotated[str, BeforeValidator(_text), AfterValidator(parse_host)]
"""An address or name to bind."""
Port = Annotated[Whole, Field(ge=0, le=65_535)]
"""A TCP port; 0 lets the system choose."""
Listener = Annotated[str, BeforeValidator(_text), AfterValidator(_bind)]
"""`host:port`."""
Network = Annotated[
    IPv4Network | IPv6Network, BeforeValidator(_network), _schema(type="string", examples=["10.0.0.0/8", "::1"])
]
"""An address or CIDR."""
Networks = Annotated[
    tuple[Network, ...],
    BeforeValidator(_networks),
    _schema(anyOf=[{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]),
]
"""Networks; true for all, false for none."""
WebOrigin = Annotated[str, BeforeValidator(_text), AfterValidator(_origin)]
"""Origin of a web page, or `*`."""
UpstreamUrl = Annotated[str, BeforeValidator(_text), AfterValidator(_url)]
"""Base address of a server."""

ServerKind = Annotated[NodeKind, _schema(type="string", enum=[kind.value for kind in NodeKind])]
"""What kind of server an upstream is."""
