"""The build's own step: with REMUDA_COMPILE=1, a wheel holds the modules on a request's way as machine code too.

mypyc makes it from the same sources and their types (docs/adr/0005-compiled-wheels.md). Python takes the machine code
where it is there, and the sources beside it everywhere else.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASKED_BY = "REMUDA_COMPILE"


class Compiling(BuildHookInterface[Any]):
    """Adds machine code for the modules that pyproject.toml names, if that is asked for."""

    def dependencies(self) -> list[str]:
        """What compiling takes beside what building does."""
        return list(self.config["requires"]) if self._is_wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and have the wheel say for which Python and machine it is."""
        if not self._is_wanted() or version == "editable":
            return
        made = Path(tempfile.mkdtemp(prefix="remuda-compiled-"))
        self._made = made
        compile_into(made, Path(self.root), list(self.config["modules"]))
        for library in (each for each in made.rglob("*") if each.suffix in (".so", ".pyd")):
            build_data["force_include"][str(library)] = str(library.relative_to(made))
        build_data["infer_tag"] = True
        build_data["pure_python"] = False

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clear away."""
        if made := getattr(self, "_made", None):
            shutil.rmtree(made, ignore_errors=True)

    def _is_wanted(self) -> bool:
        return self.target_name == "wheel" and os.environ.get(ASKED_BY, "") not in ("", "0")


def compile_into(folder: Path, root: Path, modules: list[str]) -> None:
    """Compile `modules`, paths below `src`, into libraries below `folder`."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    here = Path.cwd()
    os.chdir(root / "src")  # mypyc names modules by their paths from here
    os.environ["MYPYPATH"] = str(root / "src")
    try:
        extensions = mypycify(
            [f"--config-file={root / 'pyproject.toml'}", f"--cache-dir={folder / 'cache'}", *modules],
            opt_level="3",
            target_dir=str(folder / "c"),
        )
        command = build_ext(Distribution({"name": "remuda", "ext_modules": extensions}))
        command.build_lib, command.build_temp = str(folder), str(folder / "objects")
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(here)
