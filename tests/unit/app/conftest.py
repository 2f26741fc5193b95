"""What the tests of the composition share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_settings_of_the_developers_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A remuda.yaml in the clone's data folder, or variables in the shell, must not change what tests see."""
    monkeypatch.setattr("remuda.app.settings.layers.default_data_dir", lambda _environ: tmp_path / "no-data")
    for variable in (
        "API_KEYS",
        "DATABASE_URL",
        "REDIS_URL",
        "MODEL_BACKEND",
        "MODEL_NAME",
        "REMUDA_CONFIG",
        "REMUDA_DATA_DIR",
    ):
        monkeypatch.delenv(variable, raising=False)
