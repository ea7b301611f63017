"""Provides the HTTP libraries to the tests in this folder."""

from __future__ import annotations

from support.http_libraries import http_library

__all__ = ["http_library"]
