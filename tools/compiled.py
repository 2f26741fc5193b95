"""`python -m tools.compiled FOLDER`: the package as wheels have it, with the request's way compiled.

`PYTHONPATH=FOLDER` runs it in place of the sources. It is built anew only where one of them has changed. Takes a C
compiler, and half a minute.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
STAMP = "built-from"


def compiled_into(folder: Path) -> Path:
    """`folder`, with the package in it; raises subprocess.CalledProcessError where it does not compile."""
    stamp = folder / STAMP
    sources = _digest()
    if not stamp.exists() or stamp.read_text() != sources:
        with tempfile.TemporaryDirectory() as made:
            build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", made]
            subprocess.run(build, cwd=ROOT, env=os.environ | {"REMUDA_COMPILE": "1"}, check=True, stdout=sys.stderr)
            (wheel,) = Path(made).glob("*.whl")
            shutil.rmtree(folder, ignore_errors=True)
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
        stamp.write_text(sources)
    return folder


def _digest() -> str:
    """What the package is made of, and this Python."""
    digest = hashlib.sha256(sys.version.encode())
    package = ROOT / "src" / "remuda"
    files = [each for each in package.rglob("*") if each.is_file() and "__pycache__" not in each.parts]
    for file in [ROOT / "pyproject.toml", ROOT / "hatch_build.py", *sorted(files)]:
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    print(compiled_into(Path(sys.argv[1]).resolve()))
