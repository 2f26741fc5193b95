"""Where this platform, or a clone of the repository, keeps a program's data."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def default_data_dir(
    environ: Mapping[str, str] = os.environ, platform: str = sys.platform, module: Path = Path(__file__)
) -> Path:
    """`.data` in the clone that `module` stands in; else `remuda` in XDG_DATA_HOME (Linux), Application Support
    (macOS) or LOCALAPPDATA."""
    if (clone := clone_root(module)) is not None:
        return clone / ".data"
    if platform == "win32":
        base = environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "remuda"
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "remuda"
    base = environ.get("XDG_DATA_HOME", "")
    # The XDG rules: a relative path there is invalid and to be ignored.
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "remuda"


def clone_root(module: Path = Path(__file__)) -> Path | None:
    """The clone of the repository that this code runs from, or None where it is installed."""
    for folder in module.resolve().parents:
        if folder.name == "src" and (folder.parent / "pyproject.toml").is_file():
            return folder.parent if (folder / "remuda" / "__init__.py").is_file() else None
    return None
