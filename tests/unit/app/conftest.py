"""What the tests of the composition share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_settings_of_the_developers_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A remuda.yaml in the clone's data folder, or variables in the shell, must not change what tests see."""
    monkeypatch.setenv("REMUDA_DATA_DIR", str(tmp_path / "no-data"))
    for variable in (
        "API_KEYS",
        "DATABASE_URL",
        "REDIS_URL",
        "MODEL_BACKEND",
        "MODEL_NAME",
        "REMUDA_CONFIG",
    ):
        monkeypatch.delenv(variable, raising=False)
