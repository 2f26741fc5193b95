"""A lock on a file that ends with the process that holds it, however that ends."""

import sys
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: BinaryIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(file: BinaryIO) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def locked_file(path: Path) -> BinaryIO | None:
    """The file at `path`, made where missing, locked until it is closed; None where another process holds it.

    Raises OSError where it cannot be made.
    """
    file = path.open("ab")
    try:
        _try_lock(file)
    except OSError:
        file.close()
        return None
    return file
