"""The engine and the clock."""

import sys

import pytest

from remuda.app.checks.machine import check_clock, check_engine
from remuda.app.settings import Settings

NOW = 1_795_217_683.0


def test_the_clock() -> None:
    assert check_clock(NOW).message == "2026-11-20 23:34:43 UTC"
    assert check_clock(NOW, NOW + 4).level == "ok"
    assert check_clock(NOW, NOW - 60).level == "ok"
    assert check_clock(NOW, NOW + 60).message == "the store holds times 60 s ahead of this clock, which must be slow"
    assert check_clock(0).message == "the clock says it is 1970"


def test_an_engine_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)  # what Python itself does to make an import fail
    assert check_engine(Settings()).level == "fail"
    assert check_engine(Settings.model_validate({"upstreams": [{"url": "http://h"}]})).level == "ok"


@pytest.mark.engine
def test_the_engine_that_is_installed() -> None:
    assert check_engine(Settings()).message.startswith("llama.cpp through xllamacpp ")
