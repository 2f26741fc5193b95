"""How the `remuda` command ends."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the `remuda` command. The sentence under each is its documentation."""

    OK = 0
    """It did what was asked."""
    CHECK_FAILED = 1
    """A check found something wrong, or an error that none of the other codes names."""
    USAGE = 2
    """The command line itself is wrong: an unknown option, a missing argument."""
    CONFIGURATION = 3
    """A setting is wrong: in `remuda.yaml`, in the environment or on the command line."""
    STORE = 4
    """The store cannot be used: not writable, not reachable, damaged, or of a newer version."""
    ENGINE = 5
    """An engine or a model cannot be used: not installed, missing, unreadable, not a GGUF file."""
    BIND = 6
    """An address cannot be listened on: the port is in use or not permitted."""
    INTERRUPTED = 130
    """Ended by Ctrl-C."""


class CommandError(Exception):
    """What ends a command with one clear line on stderr and an exit code, without a traceback."""

    def __init__(self, message: str, code: Exit = Exit.CHECK_FAILED) -> None:
        super().__init__(message)
        self.message = message
        """One sentence, or one line for each of several problems."""
        self.code = code
