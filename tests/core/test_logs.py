"""What the library logs in programs that do not configure logging."""

from __future__ import annotations

import subprocess
import sys


def test_warning_is_not_printed_without_configured_logging() -> None:
    """Without logging configured, Python does not print a warning of the library to the standard error."""
    code = "from anycreds._core.logs import log; log('sts', 'warning', 'a warning')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == ("", "")
