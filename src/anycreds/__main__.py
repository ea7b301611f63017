"""``python -m anycreds``, and the script ``anycreds``: hands over to the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with these arguments (default: those of the process). Return the exit status."""
    from ._cli.main import run

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
