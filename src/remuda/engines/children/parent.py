"""What every child has to do with its parent: how it tells where it listens or why not, and that it ends with it.

Imports nothing of Remuda: children must start fast and hold little.
"""

import ctypes
import os
import signal
import sys
import time

LISTENING = "remuda:listening:"
"""Begins the line that tells the address, `unix:///path` or `http://host:port`."""
FAILED = "remuda:failed:"
"""Begins the last line on standard error where the engine refused to start."""
KEY_VARIABLE = "REMUDA_ENGINE_KEY"
"""Environment variable with the bearer token: arguments can be read by every user of the machine."""
ORPHAN_CHECK_S = 0.5

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Let the kernel end this process when `parent` ends, where it can (Linux); ends it now if that has happened.

    To the kernel the parent is the thread that started the child: it must be one that lasts, such as the event loop's.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if sys.platform != "win32" and os.getppid() != parent:
        os._exit(0)


def watch(parent: int) -> None:
    """Return when `parent` has ended. What the kernel does on Linux, for the other systems."""
    if sys.platform == "win32":
        import psutil

        process = psutil.Process(parent)
        while process.is_running():
            time.sleep(ORPHAN_CHECK_S)
        return
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_S)
