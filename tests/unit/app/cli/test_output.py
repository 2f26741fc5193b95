"""What subcommands print."""

import pytest

from remuda.app.cli.output import coloured, iso_time, print_columns, safe


def test_columns_are_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns(("A", "B"), [("1", "x" * 200), ("long", "y\x1b[31m\n")])
    assert capsys.readouterr().out.splitlines() == ["A     B", "1     " + "x" * 200, "long  y\ufffd[31m\ufffd"]


def test_no_color_is_honoured() -> None:
    assert coloured("ok", "green", {"NO_COLOR": "1"}) == "ok"
    assert coloured("ok", "green", {}) != "ok"
    assert coloured("ok", "green", {"NO_COLOR": ""}) != "ok"


def test_text_of_others_stays_on_its_line() -> None:
    assert safe("a\r\nb\u202e") == "a\ufffd\ufffdb\ufffd"


def test_times() -> None:
    assert iso_time(1_795_217_683.9) == "2026-11-20T23:34:43Z"
    assert iso_time(None) is None
