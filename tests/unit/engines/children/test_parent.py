"""A child ends with its parent."""

import subprocess
import sys

import pytest


def run(code: str) -> subprocess.CompletedProcess[bytes]:
    head = "import os\nfrom remuda.engines.children import parent\n"
    return subprocess.run([sys.executable, "-c", head + code], timeout=60, capture_output=True, check=False)


def test_a_child_whose_parent_is_gone_already_ends_at_once() -> None:
    assert run("parent.die_with_parent(1 if os.getppid() != 1 else 2)\nos._exit(7)").returncode == 0
    assert run("parent.die_with_parent(os.getppid())\nos._exit(7)").returncode == 7


@pytest.mark.skipif(sys.platform == "win32", reason="processes there keep their parent's number")
def test_the_watch_ends_with_the_parent() -> None:
    """What systems other than Linux rest on: a grandchild sees that its parent has ended."""
    code = (
        "reads, writes = os.pipe()\n"
        "if os.fork():\n"  # this process becomes the parent that ends
        "    os.read(reads, 1)\n"
        "    os._exit(0)\n"
        "mine = os.getppid()\n"
        "os.write(writes, b'x')\n"
        "parent.watch(mine)\n"
        "os.write(1, b'parent gone')\n"
        "os._exit(0)\n"
    )
    assert run(code).stdout == b"parent gone"
