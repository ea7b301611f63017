"""``python -m anycreds``, and the script ``anycreds``: hands over to the command line."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with these arguments (default: those of the process). Return the exit status."""
    from ._cli.main import run

    return run(argv)


def script() -> NoReturn:
    """Be the program: run the command line, and exit."""
    gc.freeze()  # what is loaded by now stays, and to look through it again and again takes a tenth of the time
    sys.exit(main())


if __name__ == "__main__":
    script()
