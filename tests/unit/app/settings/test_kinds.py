"""Kinds of setting: what is taken, and what is refused with which words."""

from datetime import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from remuda.app.settings import kinds
from remuda.app.settings.kinds import Text


def read(kind: Any, value: Any) -> Any:
    return TypeAdapter(kind).validate_python(value)


def untyped(text: str) -> Text:
    return Text(text, Path("/folder"), is_untyped=True)


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (kinds.Whole, 3, 3),
        (kinds.Whole, untyped("3"), 3),
        (kinds.Seconds, 3, 3.0),
        (kinds.Seconds, untyped("0.5"), 0.5),
        (kinds.Number, 2, 2.0),
        (kinds.Number, untyped("-0.5"), -0.5),
        (kinds.Flag, True, True),
        (kinds.Flag, untyped("False"), False),
        (kinds.Size, 5, 5),
        (kinds.Size, "5 KiB", 5120),
        (kinds.Size, "2GiB", 2 * 1024**3),
        (kinds.Size, untyped("5"), 5),
        (kinds.Location, "a/b", Path("a/b")),
        (kinds.Location, Text("a/b", Path("/folder")), Path("/folder/a/b")),
        (kinds.Location, Text("/a", Path("/folder")), Path("/a")),
        (kinds.ModelPlace, "gpt2", "gpt2"),
        (kinds.ModelPlace, Text("org/a-b_c.d", Path("/folder")), "org/a-b_c.d"),
        (kinds.ModelPlace, Text("./a", Path("/folder")), "/folder/a"),
        (kinds.ModelPlace, Text("lib", Path("/usr")), "/usr/lib"),
        (kinds.ModelPlace, "/a/b", "/a/b"),
        (kinds.Network, "10.1.2.3/8", ip_network("10.0.0.0/8")),
        (kinds.Network, "::1", ip_network("::1/128")),
        (kinds.Networks, True, (ip_network("0.0.0.0/0"), ip_network("::/0"))),
        (kinds.Networks, False, ()),
        (kinds.Networks, ["10.0.0.0/8", "::1"], (ip_network("10.0.0.0/8"), ip_network("::1/128"))),
        (kinds.WebOrigin, "*", "*"),
        (kinds.WebOrigin, "https://App.example.org:8443", "https://app.example.org:8443"),
        (kinds.Listener, "[::1]:80", "[::1]:80"),
        (kinds.HeaderName, "X-Session-Id", "X-Session-Id"),
        (kinds.UpstreamUrl, "unix:/run/x.sock", "unix:/run/x.sock"),
    ],
)
def test_taken(kind: Any, value: Any, result: Any) -> None:
    assert read(kind, value) == result


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (kinds.Whole, "3", "a whole number, not the text '3'"),
        (kinds.Whole, True, "a whole number, not true"),
        (kinds.Whole, 3.0, "a whole number, not the number 3.0"),
        (kinds.Whole, None, "a whole number, not nothing"),
        (kinds.Whole, [1], "a whole number, not a list"),
        (kinds.Whole, "x" * 100, "not a long text"),
        (kinds.Networks, "10.0.0.0/8", "a list of networks, or true for all"),
        (kinds.Number, "3", "a number, not the text '3'"),
        (kinds.Number, untyped("warm"), "a number, not the text 'warm'"),
        (kinds.Seconds, "3", "a number of seconds"),
        (kinds.Seconds, -1, "greater than or equal to 0"),
        (kinds.Flag, "yes", "true or false"),
        (kinds.Flag, 1, "true or false"),
        (kinds.Size, "5", "a size such as 32MiB"),
        (kinds.Size, "5MB", "a size such as 32MiB"),
        (kinds.Location, "", "not an empty text"),
        (kinds.Location, "a\0b", "no null character"),
        (kinds.Location, 5, "a path, not the number 5"),
        (kinds.ModelPlace, "", "a folder or a model's name"),
        (kinds.ModelPlace, 5, "a folder or a model's name, not the number 5"),
        (kinds.ModelPlace, "a/b/c", "neither a folder nor a name of the hub"),
        (kinds.ModelPlace, "https://h/a", "neither a folder nor a name of the hub"),
        (kinds.ModelPlace, "a b", "neither a folder nor a name of the hub"),
        (kinds.Word, {}, "a text, not a section"),
        (kinds.Secret, 12345678, "put digits in quotes"),
        (kinds.Secret, "", "1 to 512 printable"),
        (kinds.Secret, "a\nb", "1 to 512 printable"),
        (kinds.DatabaseUrl, "mysql://x", r"sqlite:///file or postgresql://"),
        (kinds.Network, "10.0.0.0/33", "an address or a network"),
        (kinds.WebOrigin, "https://a/b", "is no origin"),
        (kinds.WebOrigin, "example.org", "is no origin"),
        (kinds.Name, " a", "without spaces around"),
        (kinds.HeaderName, "", "1 to 100 letters"),
        (kinds.HeaderName, "x" * 101, "1 to 100 letters"),
        (kinds.HeaderName, "x session", "1 to 100 letters"),
        (kinds.HeaderName, "x:session", "1 to 100 letters"),
        (kinds.HeaderName, "sitzung-für", "1 to 100 letters"),
        (kinds.UpstreamUrl, "http://u:p@h", "give its key apart"),
        (kinds.Port, 65_536, "less than or equal to 65535"),
    ],
)
def test_refused(kind: Any, value: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        read(kind, value)


@pytest.mark.parametrize(
    ("said", "moment"),
    [("22:00", time(22)), ("6:05", time(6, 5)), (1320, time(22)), (0, time()), ("23:59", time(23, 59))],
)
def test_times_of_day(said, moment):
    assert read(kinds.TimeOfDay, said) == moment


@pytest.mark.parametrize("said", ["24:00", "6", "6:5", "", 1440, -1, 6.5, None, True])
def test_what_is_no_time_of_day(said):
    with pytest.raises(ValidationError, match="needs a time of the day such as 22:00"):
        read(kinds.TimeOfDay, said)
