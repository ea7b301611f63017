"""Tests of the description of connection failures."""

from __future__ import annotations

import socket

import pytest

from anycreds._core.http import HOST_NOT_FOUND
from anycreds._system.http.errors import describe_os_error


@pytest.mark.fault("U26")
@pytest.mark.parametrize("is_cause", [True, False])
def test_unknown_host_is_recognized(is_cause: bool) -> None:
    """A failed name resolution is described as such, also if the HTTP library wraps its error."""
    error: Exception = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if is_cause:
        outer = RuntimeError("canary of another library")
        outer.__cause__ = error
        error = outer
    assert describe_os_error(error) == f"{HOST_NOT_FOUND} (Name or service not known)"
