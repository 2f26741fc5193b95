"""Where data is kept."""

from pathlib import Path

import pytest

from remuda.app.settings.platform import clone_root, default_data_dir


def test_a_clone_keeps_its_data_in_itself() -> None:
    root = Path(__file__).parents[4]
    assert clone_root() == root
    assert default_data_dir() == root / ".data"


def test_an_installed_package_is_no_clone(tmp_path: Path) -> None:
    assert clone_root(tmp_path / "lib" / "remuda" / "app" / "settings" / "platform.py") is None
    package = tmp_path / "src" / "remuda"
    package.mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    assert clone_root(package / "x.py") is None
    (package / "__init__.py").touch()
    assert clone_root(package / "x.py") == tmp_path


@pytest.mark.parametrize(
    ("system", "environ", "folder"),
    [
        ("linux", {"XDG_DATA_HOME": "/xdg"}, Path("/xdg/remuda")),
        ("linux", {"XDG_DATA_HOME": "relative"}, Path.home() / ".local/share/remuda"),
        ("linux", {}, Path.home() / ".local/share/remuda"),
        ("darwin", {}, Path.home() / "Library/Application Support/remuda"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/remuda")),
        ("win32", {}, Path.home() / "AppData/Local/remuda"),
    ],
)
def test_the_platforms_own_place(system: str, environ: dict[str, str], folder: Path, tmp_path: Path) -> None:
    assert default_data_dir(environ, system, tmp_path / "remuda" / "platform.py") == folder
