"""`remuda worker`: its options. What it does is in `tests/unit/app/test_working.py`."""

from remuda.app.exits import Exit
from tests.fixtures.process import run_remuda


def test_its_options_are_settings():
    done = run_remuda("worker", "--gateway", "not a url")
    assert done.returncode == Exit.CONFIGURATION, done.stderr
    assert "--gateway" in done.stderr
