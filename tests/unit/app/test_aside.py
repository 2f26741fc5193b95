"""The process for questions about the past, as settings have it."""

from pathlib import Path
from typing import Any

import pytest

from remuda.app.aside import aside_of, attach_aside
from remuda.app.settings import InsightSettings
from remuda.store import open_store
from remuda.telemetry.metrics import Metrics
from remuda.testing.clock import FakeClock
from tests.fixtures.aside import where


@pytest.mark.parametrize("settings", [{}, {"aside_after_ms": 1000.5}, {"aside": False, "aside_after_ms": 0}])
async def test_quick_answers_are_counted_and_start_nothing(tmp_path: Path, settings: dict[str, Any]) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    aside = aside_of(InsightSettings(**settings), store, FakeClock())
    metrics = Metrics("1", is_known_model=lambda name: True)
    attach_aside(metrics, aside)
    await aside.run(where)
    told = metrics.render().decode()
    assert 'remuda_aside_answers_total{where="here"} 1.0' in told
    assert 'remuda_aside_answers_total{where="beside"} 0.0' in told
    assert "remuda_aside_starts_total 0.0" in told
    assert not aside.is_running
    await aside.close()
    await store.close()
