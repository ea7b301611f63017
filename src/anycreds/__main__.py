"""``python -m anycreds``, and the script ``anycreds``."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import NoReturn

from ._cli.main import run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with these arguments (default: those of the process). Return the exit status."""
    return run(argv)


def script() -> NoReturn:
    """Run the command line and exit."""
    gc.freeze()  # collections skip what is loaded already, which saves 3 of the 40 ms that `explain` takes
    sys.exit(main())


if __name__ == "__main__":
    script()
