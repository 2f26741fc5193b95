"""How findings are shown."""

import pytest

from remuda.app.checks.finding import fail, ok, warn
from remuda.app.cli.findings import is_failed, print_findings, refuse
from remuda.app.exits import CommandError, Exit

FINDINGS = [ok("clock", "right"), warn("tls", "no\x1b TLS", "set it"), fail("port", "taken", "take another")]


def test_each_is_a_line_and_one_more_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings(FINDINGS)
    assert capsys.readouterr().out.splitlines() == [
        "ok    clock: right",
        "warn  tls: no\ufffd TLS",
        "      to do: set it",
        "fail  port: taken",
        "      to do: take another",
    ]


def test_only_what_does_not_work_fails() -> None:
    assert is_failed(FINDINGS)
    assert not is_failed(FINDINGS[:2])
    refuse(FINDINGS[:2], Exit.BIND)
    with pytest.raises(CommandError, match=r"^taken$") as caught:
        refuse(FINDINGS, Exit.BIND)
    assert caught.value.code is Exit.BIND
