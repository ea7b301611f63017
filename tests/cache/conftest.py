"""Tests of the cache run on uvloop too."""

from __future__ import annotations

from support.event_loops import all_event_loops as anyio_backend

__all__ = ["anyio_backend"]  # a fixture
