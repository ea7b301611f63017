"""The two ways in which a request is sent: over plain http without an HTTP library, and through httpx."""

from __future__ import annotations

import pytest

from anycreds._core.http import Transport

each_stack = pytest.mark.parametrize("transport", [None, Transport()], ids=["plain", "httpx"])
"""Runs a test both ways, with the ``transport`` of its requests."""
