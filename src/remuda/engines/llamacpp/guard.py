"""Turns itself into another program that ends with the gateway: `python -m … <parent> <program> <argument>…`.

The user's own `llama-server` does not know whose child it is. What the kernel is told here it remembers across the
exchange of the program. Where the kernel cannot (not Linux), the end of standard input is what ends the program.
"""

import os
import sys

from remuda.engines.children.parent import FAILED, die_with_parent


def main() -> None:
    """Become the program."""
    parent, program, *arguments = sys.argv[1:]
    die_with_parent(int(parent))
    try:
        os.execv(program, [program, *arguments])
    except OSError as error:
        sys.stderr.write(f"\n{FAILED}the engine's program cannot be started: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
