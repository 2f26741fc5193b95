"""What a check has to say."""

from remuda.app.checks.finding import Level, fail, ok, warn


def test_findings_for_programs() -> None:
    assert fail("port", "is taken", "take another").as_json() == {
        "level": "fail",
        "subject": "port",
        "message": "is taken",
        "advice": "take another",
    }
    assert (ok("a", "b").level, warn("a", "b", "c").level) == (Level.OK, Level.WARN)
