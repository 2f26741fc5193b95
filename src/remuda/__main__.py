"""`python -m remuda` is the `remuda` command."""

import sys

from remuda.app.cli import main

if __name__ == "__main__":
    sys.exit(main())
