"""`python -m azc` is the `azc` command."""

import sys

from azc.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
